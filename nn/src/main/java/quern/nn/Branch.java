package quern.nn;

import java.util.List;
import java.util.Set;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** What a block adds to its residual stream: attention, a feed-forward part, experts. A {@link Residual} says how. */
public interface Branch {
    /** x [B, T, D] to [B, T, D]. */
    Tensor forward(Tensor x_BTD, Flow flow, Pass pass);

    /** A word for it, {@code attention} or {@code mlp}, that names random streams. */
    String label();

    /** The names it needs from the flow, beside the stream itself. */
    default List<String> reads() {
        return List.of();
    }

    /** Names it uses when they are there. */
    default List<String> readsIfPresent() {
        return List.of();
    }

    /** The names it may write into the flow. */
    default List<String> writes() {
        return List.of();
    }

    /** Those of the names it writes that its next pass over the same rows reads: memories. */
    default List<String> carries() {
        return List.of();
    }

    /** What of {@link Regularization} has an effect on it. */
    default Set<Regularization.Kind> regularizers() {
        return Set.of();
    }

    /** Whether it is attention: queries that choose among keys. */
    default boolean attends() {
        return false;
    }

    /** Whether its attention, where it has one, can go in blocks ({@link AttentionImplementation#FLASH}). */
    default boolean takesBlocks() {
        return true;
    }

    /** As {@link Segment#sharesPrefixes}. */
    default boolean sharesPrefixes(Pass pass) {
        return false;
    }

    /** Its slots. */
    List<Linear> linears();

    /** The parameters that make the branch give zeros when they are all zero; empty where there are none such. */
    default List<Parameter> closing() {
        return List.of();
    }

    /** Its parameters, those of its slots included. */
    default List<Parameter> parameters() {
        return linears().stream().flatMap(l -> l.parameters().stream()).toList();
    }
}
