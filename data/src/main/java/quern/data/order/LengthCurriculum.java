package quern.data.order;

import java.util.Arrays;
import quern.recipe.QuernException;

/** A curriculum by the tokens of a row, which differ where rows are documents. */
public final class LengthCurriculum implements Curriculum {
    @Override
    public String id() {
        return "length";
    }

    @Override
    public String summary() {
        return "rows of few tokens first";
    }

    @Override
    public Class<? extends Record> config() {
        return PacedSettings.class;
    }

    @Override
    public RowOrder open(Rows rows, Record config) {
        return new PacedOrder(measure(rows), (PacedSettings) config, rows.seed());
    }

    static double[] measure(Rows rows) {
        double[] lengths = PacedOrder.measured(rows, row -> rows.tokens(row).length);
        if (lengths.length > 1 && Arrays.stream(lengths).distinct().count() == 1) {
            throw QuernException.badInput(
                    "data.curriculum: length: all rows of %s have %d tokens; set data.packing: false, or choose another measure",
                    rows.origin(), (int) lengths[0]);
        }
        return lengths;
    }
}
