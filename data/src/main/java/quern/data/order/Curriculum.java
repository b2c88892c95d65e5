package quern.data.order;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Function;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Scorer;
import quern.data.Tokenizer;
import quern.recipe.Technique;

/** A technique of kind {@code curriculum}: says in which order the rows of a corpus are met. */
public interface Curriculum extends Technique {
    /** What recipes call this kind. */
    String KIND = "curriculum";

    @Override
    default String kind() {
        return KIND;
    }

    /**
     * The rows of a corpus: those of one epoch, whatever their objective drew for them included.
     *
     * @param origin where they come from, for errors
     * @param source batches of one row each
     * @param tokenizer what made the tokens
     * @param seed of the order
     * @param scorers opens the model of a folder, whose number of a text is its mean loss in nats a token
     */
    record Rows(String origin, BatchSource source, Tokenizer tokenizer, long seed, Function<Path, Scorer> scorers) {
        /** How many. */
        public long count() {
            return source.batchesPerEpoch();
        }

        /** The tokens of a row that are no padding, the last target of a text that predicts its next token left out. */
        public int[] tokens(long row) {
            Batch batch = source.batch(row);
            return Arrays.copyOf(batch.inputIds(), batch.lengths()[0]);
        }

        /** The text of a row. */
        public String text(long row) {
            return tokenizer.decode(tokens(row));
        }
    }

    /**
     * The order of a corpus's rows.
     *
     * @param config this technique's own record
     */
    RowOrder open(Rows rows, Record config);
}
