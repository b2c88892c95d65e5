package quern.tensor;

import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** An operator refused its operands. The message names the operator, the operands' dtypes and shapes and the reason. */
public final class TensorException extends QuernException {
    private static final long serialVersionUID = 1L;

    /** The one-line message and libtorch's own exception. */
    public TensorException(String message, Throwable cause) {
        super(ExitCode.FAILED, message, cause);
    }
}
