package quern.models.internal;

import java.util.Map;
import quern.models.Initialization;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** Parameters made from those of a smaller model. */
public final class GrownWeights extends Weights {
    private final Map<String, Tensor> values;
    private final Device device;

    /** @param values by the parameters' names */
    public GrownWeights(Map<String, Tensor> values, DType dtype, Device device) {
        super(dtype);
        this.values = values;
        this.device = device;
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        Tensor x = values.get(name);
        if (x == null) {
            throw new IllegalStateException("nothing was grown for " + name);
        }
        // A copy, since the smaller model's own tensor may be what was taken over.
        return x.copy().to(dtype()).to(device);
    }
}
