package quern.data.order;

/** Which batches each step of a training reads; steps and batches are counted from 0. */
public interface Steps {
    /** The step that reads a batch. */
    long step(long batch);

    /** The first batch of a step. */
    long first(long step);
}
