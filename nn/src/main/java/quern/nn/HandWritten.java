package quern.nn;

import quern.tensor.Tensor;

/**
 * A segment's own forward, without autograd, and the backward that belongs to it. The backward is split: the half that
 * later work waits for, and the half that only makes weight gradients.
 */
public interface HandWritten {
    /** Computes what the segment writes into {@code flow} and returns what its backward needs. */
    Backward forward(Flow flow, Pass pass);

    /** As {@link #forward} where no backward will come. */
    default void infer(Flow flow, Pass pass) {
        forward(flow, pass).close();
    }

    /** The backward of one visit. What it holds must be kept handles, freed by {@link #close()}. */
    interface Backward extends AutoCloseable {
        /** Given the cotangents of what was written (some may be absent), gives those of what was read. */
        void input(Cotangents cotangents);

        /**
         * Adds to the gradients of the parameters; comes after {@link #input}, which may have added to those that were there
         * already, in place.
         */
        void weight();

        @Override
        void close();
    }

    /** Cotangents by name, of one visit. */
    interface Cotangents {
        /** The cotangent of a written name, or {@code null} when nothing depends on it. */
        Tensor ofOutput(String name);

        /** Whether the cotangent of a read name is wanted. */
        boolean wanted(String name);

        /** Adds to the cotangent of a read name. */
        void addToInput(String name, Tensor cotangent);
    }
}
