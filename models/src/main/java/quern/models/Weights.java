package quern.models;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import quern.nn.DenseLinear;
import quern.nn.Linear;
import quern.nn.Norm;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Gives a family the parameters it asks for while it builds its network: new ones, those of a checkpoint, or only
 * their shapes. The parts most families share are asked for by the methods here.
 */
public abstract class Weights {
    private final DType dtype;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final Map<String, String> ties = new LinkedHashMap<>();
    private final Set<String> optional = new LinkedHashSet<>();
    private UnaryOperator<String> names = UnaryOperator.identity();
    private Reuse reuse;

    /** Weights in one dtype. */
    protected Weights(DType dtype) {
        this.dtype = dtype;
    }

    /** The dtype of the parameters and of the blocks' arithmetic. */
    public final DType dtype() {
        return dtype;
    }

    /** The value of a parameter, in the open scope. */
    protected abstract Tensor value(String name, Initialization initialization, long... shape);

    /** Sets how a family's names become those of the class that is built. */
    final void rename(UnaryOperator<String> names) {
        this.names = names;
    }

    /** How parts that are built several times have their weights in common. */
    public interface Reuse {
        /** The name of the parameter that stands for the one called {@code name}. */
        String owner(String name);

        /**
         * The slot called {@code name}.
         *
         * @param owner the name of the slot that stands for it
         * @param dense the form with the owner's weights
         */
        Linear slot(String name, String owner, DenseLinear dense);
    }

    /**
     * What {@code build} makes, with parameters and slots that are given again where {@code reuse} says that they are the
     * same. Outside of this a name is asked for once.
     */
    public final <T> T reusing(Reuse reuse, Supplier<T> build) {
        Reuse before = this.reuse;
        this.reuse = reuse;
        try {
            return build.get();
        } finally {
            this.reuse = before;
        }
    }

    private Linear slot(String name, DenseLinear dense) {
        return reuse == null
                ? new Linear(names.apply(name), dense)
                : reuse.slot(names.apply(name), names.apply(reuse.owner(name)), dense);
    }

    /** The parameter of that name (transformers' in-memory name) and shape. */
    public final Parameter parameter(String askedName, Initialization initialization, long... shape) {
        String name = names.apply(reuse == null ? askedName : reuse.owner(askedName));
        Parameter known = reuse == null ? null : parameters.get(name);
        if (known != null) {
            if (!Arrays.equals(known.value().shape(), shape)) {
                throw new IllegalArgumentException("'%s' is shared by parts of other sizes: %s and %s"
                        .formatted(name, Arrays.toString(known.value().shape()), Arrays.toString(shape)));
            }
            return known;
        }
        try (Scope scope = Scope.open()) {
            Parameter p = new Parameter(name, value(name, initialization, shape));
            if (parameters.put(name, p) != null) {
                p.close();
                throw new IllegalArgumentException("parameter '" + name + "' was asked for twice");
            }
            return p;
        }
    }

    /** Vectors [rows, width] named {@code name.weight}; {@code zeroRow} is the padding token's, which starts at 0. */
    public final Parameter embedding(String name, long rows, long width, double std, OptionalLong zeroRow) {
        return parameter(name + ".weight", new Initialization.Normal(std, zeroRow), rows, width);
    }

    /** A slot from {@code in} to {@code out} features, its matrix drawn with {@code std}, its bias 0. */
    public final Linear linear(String name, long in, long out, boolean bias, double std) {
        return linear(name, in, out, bias, Initialization.normal(std));
    }

    /** A slot from {@code in} to {@code out} features whose bias is 0. */
    public final Linear linear(String name, long in, long out, boolean bias, Initialization initialization) {
        Parameter weight = parameter(name + ".weight", initialization, out, in);
        return slot(name, new DenseLinear(weight, bias ? parameter(name + ".bias", Initialization.ZEROS, out) : null));
    }

    /** As above with a bias that was asked for before. */
    public final Linear linear(String name, long in, long out, Parameter bias, double std) {
        return linear(name, in, out, bias, Initialization.normal(std));
    }

    /** As above with a bias that was asked for before, or {@code null}. */
    public final Linear linear(String name, long in, long out, Parameter bias, Initialization initialization) {
        Parameter weight = parameter(name + ".weight", initialization, out, in);
        return slot(name, new DenseLinear(weight, bias));
    }

    /** A slot without bias whose matrix is another's: an output projection tied to the embedding. */
    public final Linear tied(String name, Parameter weight) {
        return tied(name, weight, null);
    }

    /** As above, with a bias of its own or {@code null}. */
    public final Linear tied(String name, Parameter weight, Parameter bias) {
        tie(name + ".weight", weight);
        return new Linear(names.apply(name), new DenseLinear(weight, bias));
    }

    /** Says that {@code name} stands for a parameter with another name; files may have either or both. */
    public final void tie(String name, Parameter owner) {
        ties.put(names.apply(name), owner.name());
    }

    /**
     * Whether the parameter {@code name} is to be {@code owner}: for a new model what its settings say; for that of a
     * folder also what the files hold, since some models' settings leave it open.
     */
    public final boolean isTied(String name, String owner, boolean configured) {
        return isStoredTied(names.apply(name), names.apply(owner), configured);
    }

    /** As above, by the names of the class that is built. */
    protected boolean isStoredTied(String name, String owner, boolean configured) {
        return configured;
    }

    /**
     * A tensor that is read but never trained. Files may lack it: then it is what {@code initialization} says.
     */
    public final Parameter buffer(String familyName, Initialization.Constant initialization, long... shape) {
        optional.add(names.apply(familyName));
        Parameter p = parameter(familyName, initialization, shape);
        p.setTrainable(false);
        return p;
    }

    /** Names of parameters that files may lack. */
    public final Set<String> optional() {
        return optional;
    }

    /** A parameter that was asked for before, by the same name: what a head shares with the body. */
    public final Parameter shared(String familyName) {
        Parameter p = parameters.get(names.apply(reuse == null ? familyName : reuse.owner(familyName)));
        if (p == null) {
            throw new IllegalArgumentException(
                    "no parameter '" + familyName + "' yet; there are " + parameters.keySet());
        }
        return p;
    }

    /** A layer norm with bias. */
    public final Norm layerNorm(String name, long width, double eps) {
        return new Norm.LayerNorm(
                parameter(name + ".weight", Initialization.ONES, width),
                parameter(name + ".bias", Initialization.ZEROS, width),
                eps);
    }

    /** A layer norm without bias. */
    public final Norm layerNormWithoutBias(String name, long width, double eps) {
        return new Norm.LayerNorm(parameter(name + ".weight", Initialization.ONES, width), null, eps);
    }

    /** A layer norm over each head of queries or keys, without bias, with a row of weights for each head. */
    public final Norm headLayerNorm(String name, long heads, long headWidth, double eps) {
        return new Norm.LayerNorm(parameter(name + ".weight", Initialization.ONES, heads, headWidth), null, eps);
    }

    /** A root-mean-square norm whose factor is {@code 1 + weight}. */
    public final Norm offsetRmsNorm(String name, long width, double eps) {
        return new Norm.OffsetRmsNorm(parameter(name + ".weight", Initialization.ZEROS, width), eps);
    }

    /** A root-mean-square norm. */
    public final Norm rmsNorm(String name, long width, double eps) {
        return new Norm.RmsNorm(parameter(name + ".weight", Initialization.ONES, width), eps);
    }

    /** The parameters given so far, in the order they were asked for. */
    public final List<Parameter> given() {
        return new ArrayList<>(parameters.values());
    }

    /** Names that stand for another parameter: tied name to owner's name. */
    public final Map<String, String> ties() {
        return ties;
    }
}
