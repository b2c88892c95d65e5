package quern.nn;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.tensor.Parameter;

/**
 * A part of a model between whose ends autograd's graph does not reach: an embedding, a block, a head. It reads and
 * writes names of a {@link Flow}. Backward walks segments in reverse, one local graph at a time, so memory and hooks
 * follow segments. A segment holds weights but never activations; it may be visited several times in one pass, and
 * several passes may be alive at once.
 */
public abstract class Segment {
    private final String name;

    /** A segment called {@code name}, unique in its model. */
    protected Segment(String name) {
        this.name = name;
    }

    /** The name, used by probes, random streams, hooks and error messages. */
    public final String name() {
        return name;
    }

    /** The names it needs. */
    public abstract List<String> reads();

    /** Names it uses when they are there. */
    public List<String> readsIfPresent() {
        return List.of();
    }

    /** The names it may write. */
    public abstract List<String> writes();

    /**
     * Those of the names it writes that its next pass over the same rows reads: memories, which whoever runs pass after pass
     * over a text hands on.
     */
    public List<String> carries() {
        return List.of();
    }

    /** Its parameters, those of its {@link #linears() linear slots} included. A tied one stands in each user's list. */
    public abstract List<Parameter> parameters();

    /** Its weight matrices as slots that adapters, pruning and quantisation can change. */
    public List<Linear> linears() {
        return List.of();
    }

    /** What of {@link Regularization} has an effect on it. */
    public Set<Regularization.Kind> regularizers() {
        return Set.of();
    }

    /** Whether its attention, where it has one, can go in blocks ({@link AttentionImplementation#FLASH}). */
    public boolean takesBlocks() {
        return true;
    }

    /**
     * Whether it takes documents that go on from others ({@code cu_seqlens} of two rows) and a token gives the same there as
     * in a document of its own: what it gives depends on the tokens up to it and their positions, not on chance, nor on how
     * many tokens or documents there are.
     *
     * @param longest the most tokens of a document
     */
    public boolean sharesPrefixes(Pass pass, long longest) {
        return false;
    }

    /**
     * Computes what it writes from what it reads with operators that autograd records; never writes in place on what it
     * reads. This plain form always exists and is the oracle of any hand-written one.
     */
    public abstract void forward(Flow flow, Pass pass);

    /** A hand-written forward and backward for this call, where there is one; probed segments take the plain form. */
    public Optional<HandWritten> handWritten(Flow flow, Pass pass) {
        return Optional.empty();
    }

    @Override
    public final String toString() {
        return name;
    }
}
