package quern.nn;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** A model as the list of segments it visits, in order; a segment may stand in the list several times. */
public final class Network implements AutoCloseable {
    private final List<Segment> visits;
    private final VisitMemory visitMemory = new VisitMemory();
    private final List<SegmentHook> hooks;
    private boolean mixed;
    private AttentionImplementation attention = AttentionImplementation.AUTO;

    /** A network that visits these segments in this order. */
    public Network(List<Segment> visits) {
        this(visits, new ArrayList<>());
    }

    private Network(List<Segment> visits, List<SegmentHook> hooks) {
        this.hooks = hooks;
        this.visits = List.copyOf(visits);
        Map<String, Parameter> byName = new LinkedHashMap<>();
        Map<String, Segment> segments = new LinkedHashMap<>();
        for (Segment s : visits) {
            Segment other = segments.putIfAbsent(s.name(), s);
            if (other != null && other != s) {
                throw new IllegalArgumentException("two segments are called '" + s.name() + "'");
            }
            for (Parameter p : s.parameters()) {
                Parameter same = byName.putIfAbsent(p.name(), p);
                if (same != null && same != p) {
                    throw new IllegalArgumentException("two parameters are called '" + p.name() + "'");
                }
            }
        }
    }

    /**
     * The visits from number {@code from} up to, not including, {@code to} as a network of their own, with the same
     * segments and hooks: an encoder without its decoder. Its parameters are this network's, which closes them.
     */
    public Network part(int from, int to) {
        Network part = new Network(visits.subList(from, to), hooks);
        part.mixed = mixed;
        part.attention = attention;
        return part;
    }

    /** The visits in order. */
    public List<Segment> visits() {
        return visits;
    }

    /** The segments, each once, in order of their first visit. */
    public List<Segment> segments() {
        return List.copyOf(new LinkedHashSet<>(visits));
    }

    /** The parameters, each once, in order of their first use, as the linear slots are now. */
    public List<Parameter> parameters() {
        LinkedHashMap<String, Parameter> all = new LinkedHashMap<>();
        for (Segment s : visits) {
            for (Parameter p : s.parameters()) {
                all.putIfAbsent(p.name(), p);
            }
        }
        return List.copyOf(all.values());
    }

    /** The names of memories, which a pass writes and the next one over the same rows reads; none in most models. */
    public List<String> carries() {
        return segments().stream().flatMap(s -> s.carries().stream()).toList();
    }

    /** What of {@link Regularization} has an effect on some segment. */
    public Set<Regularization.Kind> regularizers() {
        Set<Regularization.Kind> all = EnumSet.noneOf(Regularization.Kind.class);
        visits.forEach(s -> all.addAll(s.regularizers()));
        return all;
    }

    /** The linear slots by name. */
    public Map<String, Linear> linears() {
        Map<String, Linear> all = new LinkedHashMap<>();
        for (Segment s : visits) {
            for (Linear l : s.linears()) {
                all.put(l.name(), l);
            }
        }
        return all;
    }

    /** Adds a hook; hooks added first run first before a visit and last after it. */
    public Network addHook(SegmentHook hook) {
        hooks.add(hook);
        return this;
    }

    /** Takes a hook away. */
    public void removeHook(SegmentHook hook) {
        hooks.remove(hook);
    }

    /**
     * How attention is computed from now on; {@link AttentionImplementation#AUTO} at first.
     *
     * @throws IllegalArgumentException where blocks are asked for and a segment's attention can't take them, or a choice is
     *     made for a network without attention
     */
    public Network setAttention(AttentionImplementation implementation) {
        if (implementation != AttentionImplementation.AUTO
                && segments().stream().noneMatch(s -> s instanceof TransformerBlock block && block.attends())) {
            throw new IllegalArgumentException("the model has no attention to compute; leave it out");
        }
        if (implementation == AttentionImplementation.FLASH) {
            segments().stream().filter(s -> !s.takesBlocks()).findFirst().ifPresent(s -> {
                throw new IllegalArgumentException(
                        "segment '%s' has attention that needs all its scores at once; choose auto or eager"
                                .formatted(s.name()));
            });
        }
        attention = implementation;
        return this;
    }

    /** How attention is computed. */
    public AttentionImplementation attention() {
        return attention;
    }

    VisitMemory visitMemory() {
        return visitMemory;
    }

    /** The first segment that does not take documents that go on from others ({@link Segment#sharesPrefixes}). */
    public Optional<Segment> withoutSharedPrefixes(Pass pass, long longest) {
        return visits().stream().filter(s -> !s.sharesPrefixes(pass, longest)).findFirst();
    }

    List<SegmentHook> hooks() {
        return hooks;
    }

    /**
     * Lets a segment compute in another dtype of 16 bits from now on, with every segment that shares a parameter with it:
     * floating-point parameters are rounded from {@code source} to the dtype, their gradients are dropped, and what such a
     * segment reads in another dtype of 16 bits is cast at its door. Values of 32 bits pass as they are.
     *
     * @param source the value to round, of a parameter's shape: its fp32 master, or the parameter's own value
     * @return the names of all segments that changed, in the order of their first visit
     */
    public List<String> convert(String segment, DType dtype, Function<Parameter, Tensor> source) {
        Set<Parameter> shared = Collections.newSetFromMap(new IdentityHashMap<>());
        List<Segment> changed = new ArrayList<>(
                segments().stream().filter(s -> s.name().equals(segment)).toList());
        if (changed.isEmpty()) {
            throw new IllegalArgumentException("no segment is called '" + segment + "'");
        }
        boolean grown = true;
        while (grown) {
            changed.forEach(s -> shared.addAll(s.parameters()));
            grown = false;
            for (Segment s : segments()) {
                if (!changed.contains(s) && s.parameters().stream().anyMatch(shared::contains)) {
                    grown = changed.add(s);
                }
            }
        }
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter p : shared) {
                if (p.value().dtype().isFloatingPoint() && p.value().dtype() != dtype) {
                    p.clearGrad();
                    p.value().setData(source.apply(p).detach().to(dtype));
                }
            }
        }
        mixed = true;
        return segments().stream().filter(changed::contains).map(Segment::name).toList();
    }

    /** Casts what a segment reads in another dtype of 16 bits than that of its parameters, where dtypes are mixed. */
    void castInputs(Segment s, Flow flow) {
        if (!mixed) {
            return;
        }
        Optional<DType> own = s.parameters().stream()
                .map(p -> p.value().dtype())
                .filter(Network::isHalf)
                .findFirst();
        if (own.isEmpty()) {
            return;
        }
        for (String name : List.copyOf(flow.names())) {
            Tensor t = flow.get(name);
            if (isHalf(t.dtype())) {
                flow.put(name, t.to(own.get()));
            }
        }
    }

    private static boolean isHalf(DType dtype) {
        return dtype == DType.FP16 || dtype == DType.BF16;
    }

    /** Runs all visits and records what their backward needs. Close the tape when done with it. */
    public Tape forward(Flow inputs, Pass pass) {
        return new Tape(this, inputs, pass);
    }

    /**
     * Runs all visits without recording anything. The final flow's tensors belong to the caller's scope.
     */
    public Flow infer(Flow inputs, Pass pass) {
        Map<String, Tensor> alive = new LinkedHashMap<>();
        Flow result = new Flow();
        pass.setAttention(attention);
        try (Autograd.Mode mode = Autograd.noGrad()) {
            for (String name : inputs.names()) {
                alive.put(name, inputs.get(name));
            }
            for (int i = 0; i < visits.size(); i++) {
                Segment s = visits.get(i);
                SegmentHook.Visit visit = new SegmentHook.Visit(s, i, false);
                hooks.forEach(h -> h.beforeForward(visit));
                pass.enter(i);
                try (Scope scope = Scope.open()) {
                    Flow flow = view(s, alive);
                    castInputs(s, flow);
                    var handWritten = pass.isProbed(s.name())
                            ? null
                            : s.handWritten(flow, pass).orElse(null);
                    if (handWritten != null) {
                        handWritten.infer(flow, pass);
                    } else {
                        s.forward(flow, pass);
                    }
                    for (String name : s.writes()) {
                        Tensor written = flow.find(name);
                        if (written != null) {
                            Tensor before = alive.put(name, written.keep());
                            if (before != null && before != inputs.find(name)) {
                                before.close();
                            }
                        }
                    }
                }
                for (int h = hooks.size() - 1; h >= 0; h--) {
                    hooks.get(h).afterForward(visit);
                }
            }
            alive.forEach((name, t) -> result.put(name, t == inputs.find(name) ? t : t.detach()));
        } finally {
            alive.forEach((name, t) -> {
                if (t != inputs.find(name)) {
                    t.close();
                }
            });
        }
        return result;
    }

    /**
     * Runs all visits as one graph in the caller's scope, with {@code substitutes} standing in for parameters of those
     * names: for gradients of gradients and for functional updates. Uses every segment's plain form and all scores of attention
     * at once. Refused while a
     * hook recomputes segments, since a graph that is thrown away cannot be differentiated twice.
     */
    public Flow wholeGraph(Map<String, Tensor> substitutes, Flow inputs, Pass pass) {
        Map<String, Tensor> alive = new LinkedHashMap<>();
        for (String name : inputs.names()) {
            alive.put(name, inputs.get(name));
        }
        for (int i = 0; i < visits.size(); i++) {
            SegmentHook.Visit visit = new SegmentHook.Visit(visits.get(i), i, false);
            for (SegmentHook h : hooks) {
                if (h.recompute(visit)) {
                    throw QuernException.badInput(
                            "gradient checkpointing and whole-graph gradients (second order) exclude each other: segment '%s' is recomputed; set gradient_checkpointing: false",
                            visits.get(i).name());
                }
            }
        }
        for (String name : substitutes.keySet()) {
            if (parameters().stream().noneMatch(p -> p.name().equals(name))) {
                throw new IllegalArgumentException("no parameter is called '" + name + "'");
            }
        }
        pass.substitute(substitutes);
        pass.setAttention(AttentionImplementation.EAGER);
        try {
            for (int i = 0; i < visits.size(); i++) {
                Segment s = visits.get(i);
                pass.enter(i);
                Flow flow = view(s, alive);
                castInputs(s, flow);
                s.forward(flow, pass);
                for (String name : s.writes()) {
                    if (flow.has(name)) {
                        alive.put(name, flow.get(name));
                    }
                }
            }
        } finally {
            pass.substitute(Map.of());
        }
        Flow result = new Flow();
        alive.forEach(result::put);
        return result;
    }

    static Flow view(Segment s, Map<String, Tensor> alive) {
        Flow flow = new Flow();
        for (String name : s.reads()) {
            Tensor t = alive.get(name);
            if (t == null) {
                throw new IllegalArgumentException("segment '%s' reads '%s', which nothing wrote; there are %s"
                        .formatted(s.name(), name, alive.keySet()));
            }
            flow.put(name, t);
        }
        for (String name : s.readsIfPresent()) {
            Tensor t = alive.get(name);
            if (t != null) {
                flow.put(name, t);
            }
        }
        return flow;
    }

    /** Frees all parameters. */
    @Override
    public void close() {
        parameters().forEach(Parameter::close);
        visitMemory.close();
    }
}
