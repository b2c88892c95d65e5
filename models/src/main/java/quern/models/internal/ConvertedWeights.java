package quern.models.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.models.Initialization;
import quern.models.KnownForm;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Parameters made from those of a model of another family; copies. */
public final class ConvertedWeights extends Weights {
    private final KnownForm.Conversion conversion;
    private final Map<String, Tensor> own = new HashMap<>();
    private final Device device;

    /** Parameters made by {@code conversion} from {@code parameters}. */
    public ConvertedWeights(KnownForm.Conversion conversion, List<Parameter> parameters, DType dtype, Device device) {
        super(dtype);
        this.conversion = conversion;
        this.device = device;
        parameters.forEach(p -> own.put(p.name(), p.value().detach()));
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        Tensor made =
                conversion.parameter(name, this::own).to(dtype()).to(device).copy();
        if (!Arrays.equals(made.shape(), shape)) {
            throw new IllegalStateException(
                    "%s was made %s, not %s".formatted(name, Arrays.toString(made.shape()), Arrays.toString(shape)));
        }
        return made;
    }

    private Tensor own(String name) {
        Tensor value = own.get(name);
        if (value == null) {
            throw new IllegalStateException("no parameter '" + name + "'; there are " + own.keySet());
        }
        return value;
    }
}
