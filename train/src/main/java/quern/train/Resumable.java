package quern.train;

import java.util.Map;

/** A part of the training with numbers that a checkpoint must hold so that a resumed run goes on bit for bit. */
interface Resumable {
    /** The key of its numbers in a checkpoint. */
    String name();

    /** The numbers as they are now. */
    Map<String, Double> state();

    /** Takes back a {@link #state()}; an empty one leaves the part as it was made. */
    void load(Map<String, Double> state);
}
