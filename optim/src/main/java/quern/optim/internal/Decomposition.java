package quern.optim.internal;

import java.util.function.Supplier;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.Quoted;
import quern.tensor.Tensor;
import quern.tensor.TensorException;

/** Decompositions of an optimizer's matrices, which fail where these hold numbers that are not finite. */
public final class Decomposition {
    private Decomposition() {}

    /**
     * What the decomposition gives.
     *
     * @param failure the start of the message: what there is none of, and for which parameter
     * @param names what the placeholders of {@code failure} stand for
     * @throws QuernException failed when the decomposition does
     */
    public static Tensor of(Supplier<Tensor> decomposition, String failure, Object... names) {
        try {
            return decomposition.get();
        } catch (TensorException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s (%s); lower learning_rate or clip the gradients (max_grad_norm)"
                            .formatted(failure.formatted(names), Quoted.message(e)),
                    e);
        }
    }
}
