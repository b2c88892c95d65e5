package quern.optim.internal;

import java.util.function.Supplier;
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
     * @param lack what there is none of where it fails, and for which parameter: the start of the message
     * @param names what the placeholders of {@code lack} stand for
     * @throws QuernException failed when the decomposition does
     */
    public static Tensor of(Supplier<Tensor> decomposition, String lack, Object... names) {
        try {
            return decomposition.get();
        } catch (TensorException e) {
            throw QuernException.failed(
                    "%s (%s); lower learning_rate or set max_grad_norm", lack.formatted(names), Quoted.message(e));
        }
    }
}
