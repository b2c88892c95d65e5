package quern.data.order;

import java.util.HashMap;
import java.util.Map;

/** A curriculum by how rare a row's tokens are: the sum over them of the negative logarithm of their share among the tokens of
 * all rows (Platanios et al. 2019, arXiv:1903.09848, section 2.2).
 */
public final class RarityCurriculum implements Curriculum {
    @Override
    public String id() {
        return "rarity";
    }

    @Override
    public String summary() {
        return "rows of frequent tokens first";
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
        Map<Integer, Long> counts = new HashMap<>();
        long all = 0;
        for (long row = 0; row < rows.count(); row++) {
            for (int token : rows.tokens(row)) {
                counts.merge(token, 1L, Long::sum);
                all++;
            }
        }
        double tokens = all;
        return PacedOrder.measured(rows, row -> {
            double sum = 0;
            for (int token : rows.tokens(row)) {
                sum -= Math.log(counts.get(token) / tokens);
            }
            return sum;
        });
    }
}
