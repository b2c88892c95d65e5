package quern.models.internal;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.models.Initialization;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Parameters over the storage of another model's: the same values, but leaves and gradients of their own. */
public final class SharedWeights extends Weights {
    private final Map<String, Parameter> owners = new HashMap<>();

    /** Parameters over the storage of {@code owners}. */
    public SharedWeights(DType dtype, List<Parameter> owners) {
        super(dtype);
        owners.forEach(p -> this.owners.put(p.name(), p));
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        return owners.get(name).value().detach();
    }
}
