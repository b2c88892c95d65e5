package quern.optim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import quern.recipe.QuernException;
import quern.recipe.WeightAverage;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Changes weights by their gradients, in place. The state is allocated when the optimizer is made: a buffer in the
 * parameters' shapes is one flat fp32 tensor a device, of which each parameter has a view; a buffer of another shape is a
 * tensor a parameter; a weight of fewer than 32 bits has an fp32 master. A step allocates none of it.
 *
 * <p>Parameters that are frozen when the optimizer is made have no state. A parameter without a gradient is left alone
 * by a step: it is neither moved nor decayed, and its own step count stands still.
 *
 * <p>Not safe for use by two threads at once.
 */
public abstract class Optimizer implements AutoCloseable {
    // A cache line of fp32: no two parameters share one, and vector loads of buffers start aligned.
    private static final long ALIGNMENT = 16;
    private static final String MASTER = "master";
    private static final String STEP = "step";
    private static final String AVERAGE = "ema";
    private static final String WEIGHT = "weight";

    private final List<StateBuffer> buffers;
    private final List<ParameterState> states = new ArrayList<>();
    private final Map<Parameter, ParameterState> byParameter = new HashMap<>();
    private final List<Parameter> frozen = new ArrayList<>();
    private final List<Tensor> storage = new ArrayList<>();
    private final Map<String, Tensor> named = new LinkedHashMap<>();
    private final Map<ParameterState, Tensor> averages = new LinkedHashMap<>();
    private WeightAverage average;
    private long stateBytes;
    private boolean closed;

    /**
     * Allocates the state, zeroed, and the masters.
     *
     * @param groups every parameter at most once
     * @param defaultWeightDecay the decay of groups that set none
     * @param buffers what is remembered of each parameter; the names are distinct
     */
    protected Optimizer(List<ParameterGroup> groups, double defaultWeightDecay, List<StateBuffer> buffers) {
        this.buffers = List.copyOf(buffers);
        Set<String> bufferNames = new LinkedHashSet<>(List.of(MASTER, STEP, AVERAGE, WEIGHT));
        for (StateBuffer buffer : buffers) {
            if (!bufferNames.add(buffer.name())) {
                throw new IllegalArgumentException("two buffers are named '%s'".formatted(buffer.name()));
            }
        }
        Set<String> names = new LinkedHashSet<>();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (ParameterGroup group : groups) {
                for (Parameter parameter : group.parameters()) {
                    if (!names.add(parameter.name())) {
                        throw QuernException.badInput(
                                "parameter '%s' is in the optimizer twice; let its groups' patterns match it once",
                                parameter.name());
                    }
                    if (parameter.isTrainable()) {
                        ParameterState state = new ParameterState(
                                parameter,
                                group.learningRateFactor(),
                                group.weightDecay().orElse(defaultWeightDecay),
                                group.roleOf(parameter));
                        states.add(state);
                        byParameter.put(parameter, state);
                    } else {
                        frozen.add(parameter);
                    }
                }
            }
            if (states.isEmpty()) {
                throw QuernException.badInput("the optimizer has no trainable parameter; thaw one or train nothing");
            }
            allocate();
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** An optimizer of the states of others, which it takes over: their parameters are distinct. */
    Optimizer(List<? extends Optimizer> members) {
        buffers = List.of();
        for (Optimizer member : members) {
            member.checkOpen();
            for (ParameterState state : member.states) {
                if (byParameter.put(state.parameter(), state) != null) {
                    throw new IllegalArgumentException("parameter '%s' is in two optimizers"
                            .formatted(state.parameter().name()));
                }
            }
            states.addAll(member.states);
            frozen.addAll(member.frozen);
            named.putAll(member.named);
            stateBytes += member.stateBytes;
        }
    }

    private void allocate() {
        for (StateBuffer buffer : buffers) {
            List<ParameterState> owners =
                    states.stream().filter(buffer::ownedBy).toList();
            if (buffer.hasParametersShape()) {
                allocate(buffer.name(), owners, ParameterState::addBuffer);
            } else {
                owners.forEach(state -> allocateOwn(buffer, state));
            }
            states.stream().filter(s -> !buffer.ownedBy(s)).forEach(ParameterState::addNoBuffer);
        }
        List<ParameterState> narrow =
                states.stream().filter(s -> s.dtype() != DType.FP32).toList();
        allocate(MASTER, narrow, ParameterState::setMaster);
        Tensor steps = Tensor.zeros(DType.INT64, Device.CPU, states.size()).keep();
        storage.add(steps);
        for (int i = 0; i < states.size(); i++) {
            Tensor view = steps.select(0, i).keep();
            states.get(i).setStepTensor(view);
            name(STEP, states.get(i), view);
        }
    }

    private interface Placement {
        void put(ParameterState state, Tensor view);
    }

    private void allocate(String buffer, List<ParameterState> owners, Placement placement) {
        Map<Device, List<ParameterState>> byDevice = owners.stream()
                .collect(Collectors.groupingBy(ParameterState::device, LinkedHashMap::new, Collectors.toList()));
        byDevice.forEach((device, here) -> {
            long length = here.stream().mapToLong(Optimizer::padded).sum();
            Tensor flat = Tensor.zeros(DType.FP32, device, length).keep();
            storage.add(flat);
            long offset = 0;
            for (ParameterState state : here) {
                Tensor view = state.viewOf(flat, offset);
                placement.put(state, view);
                name(buffer, state, view);
                offset += padded(state);
            }
        });
    }

    private void allocateOwn(StateBuffer buffer, ParameterState state) {
        Tensor tensor = Tensor.zeros(buffer.dtype(), state.device(), buffer.shapeFor(state))
                .keep();
        state.addOwnBuffer(tensor);
        name(buffer.name(), state, tensor);
    }

    private static long padded(ParameterState state) {
        return (state.numel() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private void name(String buffer, ParameterState state, Tensor view) {
        named.put(buffer + "/" + state.parameter().name(), view);
        stateBytes += view.numel() * view.dtype().bytes();
    }

    /** Every parameter with state, in the order of the groups: to fill buffers that do not start at zero. */
    protected final List<ParameterState> states() {
        return Collections.unmodifiableList(states);
    }

    /** How finely the work may be divided over shards. */
    public abstract Granularity granularity();

    /**
     * Updates every given parameter in place, under no-grad and inside a scope that closes afterwards. What becomes of one
     * depends on no other: they may come in several calls, in any order. Each state holds this step's gradient;
     * {@link ParameterState#writeBack()} must follow where masters were changed.
     */
    protected abstract void update(List<ParameterState> states, double learningRate, double gradientScale);

    /**
     * Takes one step with the gradients that the parameters hold, which stay as they are.
     *
     * @param learningRate the scheduled rate, multiplied by each group's factor
     * @param gradientScale what every gradient is multiplied by first: {@link GradientClipping}'s scale, or 1
     */
    public final void step(double learningRate, double gradientScale) {
        for (Parameter parameter : frozen) {
            if (parameter.isTrainable()) {
                throw thawed(parameter);
            }
        }
        stepOf(states, learningRate, gradientScale);
    }

    /**
     * Takes the step of some parameters alone. An update knows no other parameter, so the steps of all of them, one after
     * another, are the step of all, bit for bit.
     *
     * @param parameters each one once
     */
    public final void step(Collection<Parameter> parameters, double learningRate, double gradientScale) {
        List<ParameterState> some = new ArrayList<>(parameters.size());
        for (Parameter parameter : parameters) {
            ParameterState state = byParameter.get(parameter);
            if (state != null) {
                some.add(state);
            } else if (parameter.isTrainable()) {
                throw thawed(parameter);
            }
        }
        stepOf(some, learningRate, gradientScale);
    }

    private static IllegalStateException thawed(Parameter parameter) {
        return new IllegalStateException(
                "parameter '%s' was frozen when the optimizer was made, so it has no state; make a new one"
                        .formatted(parameter.name()));
    }

    private void stepOf(List<ParameterState> chosen, double learningRate, double gradientScale) {
        checkOpen();
        if (!(learningRate >= 0 && learningRate < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "learning rate: found " + learningRate + ", expected a finite number of 0 or more");
        }
        if (!Double.isFinite(gradientScale)) {
            throw new IllegalArgumentException("gradient scale: found " + gradientScale + ", expected a finite number");
        }
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            List<ParameterState> active = new ArrayList<>(chosen.size());
            for (ParameterState state : chosen) {
                Tensor gradient = state.parameter().grad();
                if (gradient.isDefined()) {
                    state.setGradient(gradient);
                    state.countStep();
                    active.add(state);
                }
            }
            try {
                update(active, learningRate, gradientScale);
                if (average != null) {
                    active.forEach(this::average);
                }
            } finally {
                // The handles end with the scope.
                active.forEach(state -> state.setGradient(null));
            }
        }
    }

    /**
     * Keeps an exponential moving average of every weight from now on, in fp32: {@code a ← d·a + (1-d)·w} after every
     * step that moves the weight, from the present weights on. {@link #evalWeights} gives it.
     *
     * @throws QuernException bad input when this optimizer has weights of its own to evaluate
     */
    public final void keepAverage(WeightAverage settings) {
        checkOpen();
        if (average != null) {
            throw new IllegalStateException("the optimizer keeps an average already");
        }
        if (hasEvalWeights()) {
            throw QuernException.badInput("ema: the optimizer evaluates an average of its own; leave ema out");
        }
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            allocate(AVERAGE, states, (state, view) -> {
                view.copy_(state.weight());
                averages.put(state, view);
            });
        }
        average = settings;
        nameWeights();
    }

    private void average(ParameterState state) {
        double t = state.step();
        double decay = average.ramp() ? Math.min(average.decay(), (1 + t) / (10 + t)) : average.decay();
        averages.get(state).mul_(decay).add_(state.weight(), 1 - decay);
    }

    /**
     * Makes the training's weights a part of {@link #state()}, for optimizers whose model is saved with other weights.
     * Those of fewer than 32 bits follow from their masters.
     */
    protected final void nameWeights() {
        for (ParameterState state : states) {
            if (state.master() == null) {
                named.put(
                        WEIGHT + "/" + state.parameter().name(),
                        state.parameter().value());
            }
        }
    }

    /** Whether {@link #evalWeights} differ from the weights that training computes with. */
    public boolean hasEvalWeights() {
        return average != null;
    }

    /**
     * The weight to evaluate, where it is not the training's own: fp32, in the parameter's shape. Called under no-grad.
     */
    protected Optional<Tensor> evalWeight(ParameterState state) {
        return Optional.ofNullable(averages.get(state));
    }

    /**
     * Puts the weights to evaluate, sample and save into the parameters until the result is closed: the average where
     * one is kept, or what the optimizer's method says; nothing changes for other optimizers.
     */
    public final EvalWeights evalWeights() {
        checkOpen();
        EvalWeights eval = new EvalWeights();
        if (hasEvalWeights()) {
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                for (ParameterState state : states) {
                    try (Scope one = Scope.open()) {
                        evalWeight(state).ifPresent(weight -> eval.put(state.parameter(), weight));
                    }
                }
            }
        }
        return eval;
    }

    /**
     * The state by name: {@code <buffer>/<parameter>} for each buffer, {@code master/<parameter>} (fp32) for weights of
     * fewer bits, {@code step/<parameter>} (int64, a scalar: the steps that parameter took). Where the weights to evaluate
     * are others, also {@code ema/<parameter>} for an average that is kept, and {@code weight/<parameter>}, the training's
     * own fp32 weight. These are the live tensors: a step changes them and {@link #close()} frees them; copy what must
     * stay.
     */
    public final Map<String, Tensor> state() {
        checkOpen();
        return Collections.unmodifiableMap(named);
    }

    /**
     * Takes over a saved {@link #state()}, bit for bit. The names, shapes and dtypes must be exactly this optimizer's;
     * nothing is changed when one is not. Weights are loaded by who owns the model, unless {@link #hasEvalWeights()}: then
     * the training's weights are here.
     */
    public final void load(Map<String, Tensor> saved) {
        checkOpen();
        for (String name : saved.keySet()) {
            if (!named.containsKey(name)) {
                throw QuernException.failed(
                        "optimizer state: '%s' belongs to no trainable parameter of this optimizer; resume with the optim, precision and model that were saved",
                        name);
            }
        }
        named.forEach((name, mine) -> {
            Tensor theirs = saved.get(name);
            if (theirs == null) {
                throw QuernException.failed(
                        "optimizer state: '%s' is missing; resume with the optim, precision and model that were saved",
                        name);
            }
            if (theirs.dtype() != mine.dtype() || !Arrays.equals(theirs.shape(), mine.shape())) {
                throw QuernException.failed(
                        "optimizer state: '%s' is %s, expected %s; resume with the model that was saved",
                        name, theirs, mine);
            }
        });
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            named.forEach((name, mine) -> mine.copy_(saved.get(name)));
            if (hasEvalWeights()) {
                states.forEach(ParameterState::writeBack);
            }
        }
    }

    /** The bytes of {@link #state()}, weights of the model itself not counted. */
    public final long stateBytes() {
        return stateBytes;
    }

    /**
     * The weight in fp32 as the optimizer knows it: the master, or the parameter's own value where that is fp32, or
     * where the parameter is not trained here.
     */
    public final Tensor masterOf(Parameter parameter) {
        checkOpen();
        ParameterState state = byParameter.get(parameter);
        return state == null ? parameter.value() : state.weight();
    }

    /** Copies the weights into the masters: for when something else than this optimizer has changed weights. */
    public final void resetMasters() {
        checkOpen();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (ParameterState state : states) {
                if (state.master() != null) {
                    state.master().copy_(state.parameter().value());
                }
            }
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the optimizer is closed");
        }
    }

    /** Frees the state; the parameters live on. Harmless when called twice. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            states.forEach(ParameterState::close);
            averages.values().forEach(Tensor::close);
            storage.forEach(Tensor::close);
            named.clear();
        }
    }
}
