package quern.nn;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** The values that a larger network's parameters get from a smaller one's, by name; or only a look at whether they fit. */
final class GrownValues {
    /** Makes a value; not called where only shapes are looked at. */
    interface Making {
        Tensor make(Tensor small);
    }

    private final Map<String, Tensor> values = new LinkedHashMap<>();
    private final boolean dry;

    /** @param dry whether only shapes are looked at */
    GrownValues(boolean dry) {
        this.dry = dry;
    }

    boolean has(Parameter large) {
        return values.containsKey(large.name());
    }

    /** Sets the value of {@code large} from that of {@code small}, which {@code making} brings to its shape. */
    void put(Parameter small, Parameter large, long[] shape, Making making) {
        if (!Arrays.equals(shape, large.value().shape())) {
            throw QuernException.badInput(
                    "'%s' is %s in the smaller model and %s in the grown one, where %s was expected; change only sizes that this way of growing knows",
                    large.name(),
                    Arrays.toString(small.value().shape()),
                    Arrays.toString(large.value().shape()),
                    Arrays.toString(shape));
        }
        values.put(large.name(), dry ? large.value() : making.make(small.value().detach()));
    }

    /** Takes the value over as it is. */
    void copy(Parameter small, Parameter large) {
        put(small, large, small.value().shape(), x -> x);
    }

    Map<String, Tensor> values() {
        return values;
    }
}
