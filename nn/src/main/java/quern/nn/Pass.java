package quern.nn;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Tensor;

/**
 * What one call of a model knows besides its inputs: whether it trains, its random streams, probes, weights that stand
 * in for parameters, and the cache of a generation. Used by one thread.
 */
public final class Pass {
    private final boolean training;
    private final RandomStreams streams;
    private final Map<String, UnaryOperator<Tensor>> probes = new HashMap<>();
    private Map<String, Tensor> substitutes = Map.of();
    private Regularization regularization = Regularization.NONE;
    private KeyValueCache cache;
    private boolean lastLogitsOnly;
    private double lossScale = 1;
    private Map<String, Double> reports;
    private int visit;
    private AttentionImplementation attention = AttentionImplementation.AUTO;
    private final Map<String, CallMask> masks = new HashMap<>();
    private VisitMemory visitMemory = VisitMemory.NONE;
    private List<GraphCut> cuts;

    private Pass(boolean training, long seed) {
        this.training = training;
        this.streams = new RandomStreams(seed);
    }

    /** A training call: dropout is on and draws from {@code seed}. */
    public static Pass training(long seed) {
        return new Pass(true, seed);
    }

    /** A call without dropout. */
    public static Pass evaluation() {
        return new Pass(false, 0);
    }

    /** The same call with {@code regularization}, which must be a training call. */
    public Pass with(Regularization regularization) {
        if (!training) {
            throw new IllegalArgumentException("only a training pass is regularized");
        }
        this.regularization = regularization;
        return this;
    }

    /** What this call adds to the model's own loss; {@link Regularization#NONE} unless it trains. */
    public Regularization regularization() {
        return regularization;
    }

    /**
     * The rate of dropout in this call, 0 unless it trains.
     *
     * @param own the rate of the model's own settings
     */
    double dropout(Regularization.Place place, double own) {
        return training ? regularization.dropout().getOrDefault(place, own) : 0;
    }

    /** Whether dropout and its kin are on. */
    public boolean isTraining() {
        return training;
    }

    /**
     * A random stream for {@code name} in the present visit. Asking again, as recomputation does, starts the same
     * stream anew.
     */
    public RandomStream random(String name) {
        return new RandomStream(streams.seed(name, visit));
    }

    /** The weight to use for {@code parameter}: itself, or the tensor that stands in for it. */
    public Tensor value(Parameter parameter) {
        Tensor substitute = substitutes.get(parameter.name());
        return substitute == null ? parameter.value() : substitute;
    }

    /**
     * Reads or replaces an inner tensor: {@code probe} gets the tensor at {@code point} (a segment's name, a slash,
     * the point's name) each time it is computed and returns the tensor to go on with.
     */
    public Pass probe(String point, UnaryOperator<Tensor> probe) {
        probes.merge(point, probe, (a, b) -> x -> b.apply(a.apply(x)));
        return this;
    }

    /** Whether some probe wants a point of the segment called {@code segment}. */
    public boolean isProbed(String segment) {
        for (String point : probes.keySet()) {
            if (point.startsWith(segment + "/")) {
                return true;
            }
        }
        return false;
    }

    /** Whether some probe wants this very point. */
    public boolean isProbedAt(String segment, String point) {
        return !probes.isEmpty() && probes.containsKey(segment + "/" + point);
    }

    /** Gives {@code x} to the probe at {@code segment/point}, and what comes back; {@code x} where there is none. */
    public Tensor at(String segment, String point, Tensor x) {
        if (probes.isEmpty()) {
            return x;
        }
        UnaryOperator<Tensor> probe = probes.get(segment + "/" + point);
        return probe == null ? x : probe.apply(x);
    }

    /**
     * Asks segments for what they tell about themselves, such as the load of experts: numbers by name, the same each time a
     * segment is computed again.
     */
    public Pass withReports(Map<String, Double> into) {
        this.reports = into;
        return this;
    }

    /** Whether somebody wants reports. */
    boolean reports() {
        return reports != null;
    }

    /** Tells a number, where it is wanted. */
    void report(String name, double value) {
        if (reports != null) {
            reports.put(name, value);
        }
    }

    /** Keys and values of earlier tokens, for generation; {@code null} otherwise. */
    public KeyValueCache cache() {
        return cache;
    }

    /** Generates with a cache. */
    public Pass withCache(KeyValueCache cache) {
        this.cache = cache;
        return this;
    }

    /** Whether a language-model head gives logits of the last position only. */
    public boolean lastLogitsOnly() {
        return lastLogitsOnly;
    }

    /** Asks for logits of the last position only. */
    public Pass withLastLogitsOnly() {
        this.lastLogitsOnly = true;
        return this;
    }

    /** The cotangent that backward will start {@code loss} with; 1 unless the training scales its loss. */
    public double lossScale() {
        return lossScale;
    }

    /**
     * Says what cotangent backward will start {@code loss} with. A head that makes gradients in its forward makes them for
     * it, so that they are large enough for fp16; the loss itself is not scaled.
     */
    public Pass withLossScale(double scale) {
        this.lossScale = scale;
        return this;
    }

    void enter(int visit) {
        this.visit = visit;
    }

    void substitute(Map<String, Tensor> substitutes) {
        this.substitutes = substitutes;
    }

    /** How the network of this call computes attention. */
    AttentionImplementation attention() {
        return attention;
    }

    void setAttention(AttentionImplementation implementation) {
        this.attention = implementation;
    }

    /** What the mask called {@code name} is in this call; {@code null} where only its tensor is known. */
    CallMask mask(String name) {
        return masks.get(name);
    }

    void putMask(String name, CallMask mask) {
        masks.put(name, mask);
    }

    /** Where this call's hand-written visits keep what their backward needs. */
    VisitMemory visitMemory() {
        return visitMemory;
    }

    void setVisitMemory(VisitMemory memory) {
        this.visitMemory = memory;
    }

    /** A seed for {@code name} in the present visit; asking again gives it again. */
    long seed(String name) {
        return streams.seed(name, visit);
    }

    /**
     * From now on a visit's graph is recorded, which hand-written operators may cut in pieces.
     *
     * @param cuts gets the cuts, in order; {@code null} when nothing may be cut any more
     */
    void cutInto(List<GraphCut> cuts) {
        this.cuts = cuts;
    }

    /** Whether {@link #apply} can be called: always, but in one graph of a whole network. */
    boolean takesOperators() {
        return cuts != null || !Autograd.isEnabled();
    }

    /** The result of a hand-written operator, whose backward the tape of this call will run where some input wants it. */
    Tensor apply(HandWrittenOperator operator, List<Tensor> inputs) {
        boolean recorded = Autograd.isEnabled() && inputs.stream().anyMatch(Tensor::requiresGrad);
        if (recorded && cuts == null) {
            throw new IllegalStateException("a graph of a whole network can't be cut");
        }
        HandWrittenOperator.Computed computed;
        try (Autograd.Mode mode = Autograd.noGrad()) {
            computed = operator.forward(inputs);
        }
        if (!recorded) {
            computed.close();
            return computed.result();
        }
        GraphCut cut = new GraphCut(inputs, computed);
        cuts.add(cut);
        return cut.leaf();
    }
}
