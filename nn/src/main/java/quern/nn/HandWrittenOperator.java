package quern.nn;

import java.util.List;
import quern.tensor.Tensor;

/**
 * An operator whose forward and backward are written by hand and that stands in the middle of a segment's plain form: the
 * visit's graph is cut before and behind it ({@link Pass#apply}).
 */
interface HandWrittenOperator {
    /** Computes the result, without a graph. */
    Computed forward(List<Tensor> inputs);

    /** A result and what its backward needs; kept handles, freed by {@link #close()}. */
    interface Computed extends AutoCloseable {
        /** The result, in the scope of the forward call. */
        Tensor result();

        /** The cotangents of the inputs, in their order, given that of the result; {@code null} for one that has none. */
        List<Tensor> backward(Tensor cotangent);

        @Override
        void close();
    }
}
