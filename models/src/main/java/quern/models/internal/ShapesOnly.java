package quern.models.internal;

import quern.models.Initialization;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** Parameters with shapes but no memory behind them: one element seen as many. */
public final class ShapesOnly extends Weights {
    /** Shapes only. */
    public ShapesOnly() {
        super(DType.FP32);
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        return Tensor.zeros(DType.FP32, Device.CPU, 1).expand(shape);
    }
}
