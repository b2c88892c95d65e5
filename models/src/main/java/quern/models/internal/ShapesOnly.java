package quern.models.internal;

import quern.models.Initialization;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** Parameters with shapes but no memory behind them: one element seen as many. */
public final class ShapesOnly extends Weights {
    private final StoredTies stored;

    /** The shapes of a new model. */
    public ShapesOnly() {
        this(null);
    }

    /** The shapes of a folder's model. */
    public ShapesOnly(StoredTies stored) {
        super(DType.FP32);
        this.stored = stored;
    }

    @Override
    protected boolean isStoredTied(String name, String owner, boolean configured) {
        return stored == null ? configured : stored.isTied(name, owner, configured);
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        return Tensor.zeros(DType.FP32, Device.CPU).expand(shape);
    }
}
