package quern.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * The record of one forward pass. Between segments lie boundary tensors, cut from the graph; a visit's local graph ends
 * at them. {@link #backward} walks the visits in reverse: the cotangents of what a visit wrote go in, those of what it
 * read are added to the boundaries it read from, parameter gradients are added to the parameters. Cotangents are summed
 * by boundary, so a name that many segments read (encoder states, router logits, memories) collects from all of them.
 *
 * <p>Several tapes may be alive at once. A tape is walked once.
 */
public final class Tape implements AutoCloseable {
    /** Where a value went wrong: what a segment wrote under which name. */
    public record NonFinite(String segment, String tensor) {
        @Override
        public String toString() {
            return "segment '%s', tensor '%s'".formatted(segment, tensor);
        }
    }

    private final Network network;
    private final Pass pass;
    private final List<SegmentHook> hooks;
    private final List<RecordedVisit> visits = new ArrayList<>();
    private final Map<String, Boundary> inputs = new LinkedHashMap<>();
    private final Map<String, Boundary> current = new LinkedHashMap<>();
    private final Map<Parameter, Integer> remaining = new IdentityHashMap<>();
    private State state = State.RECORDED;

    private enum State {
        RECORDED,
        HALF_WALKED,
        WALKED,
        CLOSED
    }

    Tape(Network network, Flow inputs, Pass pass) {
        this.network = network;
        this.pass = pass;
        this.hooks = List.copyOf(network.hooks());
        pass.setAttention(network.attention());
        pass.setVisitMemory(network.visitMemory());
        boolean complete = false;
        try {
            try (Scope scope = Scope.open()) {
                for (String name : inputs.names()) {
                    Tensor t = inputs.get(name);
                    this.inputs.put(name, new Boundary(t, t.requiresGrad()));
                }
            }
            current.putAll(this.inputs);
            for (int i = 0; i < network.visits().size(); i++) {
                Segment s = network.visits().get(i);
                for (Parameter p : s.parameters()) {
                    remaining.merge(p, 1, Integer::sum);
                }
                RecordedVisit v = new RecordedVisit(s, i);
                visits.add(v);
                visit(v);
            }
            complete = true;
        } finally {
            if (!complete) {
                close();
            }
        }
    }

    private void visit(RecordedVisit v) {
        Segment s = v.segment;
        int index = v.index;
        Map<String, Tensor> leaves = new HashMap<>();
        current.forEach((name, b) -> leaves.put(name, b.leaf));
        SegmentHook.Visit visit = new SegmentHook.Visit(s, index, false);
        hooks.forEach(h -> h.beforeForward(visit));
        boolean recompute = hooks.stream().anyMatch(h -> h.recompute(visit));
        pass.enter(index);
        try (Scope scope = Scope.open()) {
            Flow flow = Network.view(s, leaves);
            for (String name : flow.names()) {
                v.read.put(name, current.get(name));
            }
            castInputs(s, flow);
            HandWritten handWritten = handWritten(s, flow);
            boolean differentiable = v.read.values().stream().anyMatch(b -> b.differentiable)
                    || s.parameters().stream().anyMatch(Parameter::isTrainable);
            if (handWritten != null) {
                try (Autograd.Mode mode = Autograd.noGrad()) {
                    v.byHand = true;
                    if (recompute) {
                        handWritten.infer(flow, pass);
                    } else {
                        v.handWritten = handWritten.forward(flow, pass);
                    }
                }
            } else if (recompute) {
                try (Autograd.Mode mode = Autograd.noGrad()) {
                    s.forward(flow, pass);
                }
            } else {
                record(v, flow);
                v.outputs = new LinkedHashMap<>();
            }
            for (String name : s.writes()) {
                Tensor out = flow.find(name);
                if (out == null) {
                    continue;
                }
                boolean carries =
                        out.dtype().isFloatingPoint() && (v.outputs != null ? out.requiresGrad() : differentiable);
                if (v.outputs != null && carries) {
                    v.outputs.put(name, out.keep());
                }
                Boundary b = new Boundary(out, carries);
                v.written.put(name, b);
                current.put(name, b);
            }
        }
        for (int h = hooks.size() - 1; h >= 0; h--) {
            hooks.get(h).afterForward(visit);
        }
    }

    private void record(RecordedVisit v, Flow flow) {
        pass.cutInto(v.cuts);
        try (Autograd.Mode mode = Autograd.enableGrad()) {
            v.segment.forward(flow, pass);
        } finally {
            pass.cutInto(null);
        }
    }

    /** The casts are part of the visit's graph, so that cotangents come back in the boundary's dtype. */
    private void castInputs(Segment s, Flow flow) {
        try (Autograd.Mode mode = Autograd.enableGrad()) {
            network.castInputs(s, flow);
        }
    }

    private HandWritten handWritten(Segment s, Flow flow) {
        return pass.isProbed(s.name()) ? null : s.handWritten(flow, pass).orElse(null);
    }

    /** The names of the segments that took their hand-written form in this forward, in order. */
    public List<String> handWritten() {
        return visits.stream().filter(v -> v.byHand).map(v -> v.segment.name()).toList();
    }

    /** The last value written under {@code name}, outside any graph; it belongs to the tape. */
    public Tensor get(String name) {
        requireOpen();
        Boundary b = current.get(name);
        if (b == null) {
            throw new IllegalArgumentException("nothing wrote '" + name + "'; there are " + current.keySet());
        }
        return b.leaf;
    }

    /** Whether some segment wrote {@code name}, or the caller gave it. */
    public boolean has(String name) {
        return current.containsKey(name);
    }

    /** Whether {@link #backward} can start at {@code name}: whether a parameter or an input with a gradient leads to it. */
    public boolean isDifferentiable(String name) {
        Boundary b = current.get(name);
        return b != null && b.differentiable;
    }

    /** Adds to the parameters' gradients, starting from cotangents of the final values of some names. */
    public void backward(Map<String, Tensor> cotangents) {
        start(cotangents, State.WALKED);
        for (int i = visits.size() - 1; i >= 0; i--) {
            RecordedVisit v = visits.get(i);
            SegmentHook.Visit visit = new SegmentHook.Visit(v.segment, v.index, false);
            hooks.forEach(h -> h.beforeBackward(visit));
            inputHalf(v, false);
            weightHalf(v);
            finish(v, visit);
        }
    }

    /** The half of the backward that carries cotangents from the end to the start; {@link #backwardWeight} follows. */
    public void backwardInput(Map<String, Tensor> cotangents) {
        start(cotangents, State.HALF_WALKED);
        for (int i = visits.size() - 1; i >= 0; i--) {
            RecordedVisit v = visits.get(i);
            SegmentHook.Visit visit = new SegmentHook.Visit(v.segment, v.index, false);
            hooks.forEach(h -> h.beforeBackward(visit));
            inputHalf(v, true);
        }
    }

    /** The half of the backward that adds to the parameters' gradients. */
    public void backwardWeight() {
        requireOpen();
        if (state != State.HALF_WALKED) {
            throw new IllegalStateException("backwardWeight follows backwardInput, once");
        }
        state = State.WALKED;
        for (int i = visits.size() - 1; i >= 0; i--) {
            RecordedVisit v = visits.get(i);
            weightHalf(v);
            finish(v, new SegmentHook.Visit(v.segment, v.index, false));
        }
    }

    private void requireOpen() {
        if (state == State.CLOSED) {
            throw new IllegalStateException("the tape is closed");
        }
    }

    private void start(Map<String, Tensor> cotangents, State next) {
        requireOpen();
        if (state != State.RECORDED) {
            throw new IllegalStateException("a tape is walked once; run forward again");
        }
        cotangents.forEach((name, g) -> {
            Boundary b = current.get(name);
            if (b == null || !b.differentiable) {
                throw new IllegalArgumentException("no gradient can start at '%s': %s"
                        .formatted(name, b == null ? "nothing wrote it" : "no parameter leads to it"));
            }
            if (!Arrays.equals(g.shape(), b.leaf.shape())) {
                throw new IllegalArgumentException(
                        "the cotangent of '%s' is %s, the value %s; shapes must be equal".formatted(name, g, b.leaf));
            }
        });
        state = next;
        try (Scope scope = Scope.open()) {
            cotangents.forEach((name, g) -> current.get(name).add(g));
        }
    }

    private void inputHalf(RecordedVisit v, boolean split) {
        boolean any = false;
        for (Boundary b : v.written.values()) {
            try (Scope scope = Scope.open()) {
                any |= b.differentiable && b.cotangent() != null;
            }
        }
        v.reached = any;
        if (!any) {
            return;
        }
        if (v.outputs == null && v.handWritten == null) {
            recompute(v);
        }
        if (v.handWritten != null) {
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                pass.enter(v.index);
                v.handWritten.input(new RecordedVisit.CotangentsOf(v));
            }
            return;
        }
        try (Scope scope = Scope.open()) {
            List<Tensor> outputs = new ArrayList<>();
            List<Tensor> cotangents = new ArrayList<>();
            v.outputs.forEach((name, out) -> {
                Tensor g = v.written.get(name).cotangent();
                if (g != null) {
                    outputs.add(out);
                    cotangents.add(g);
                }
            });
            if (outputs.isEmpty()) {
                v.reached = false;
                return;
            }
            List<Tensor> leaves = new ArrayList<>();
            v.read.values().stream().filter(b -> b.differentiable).distinct().forEach(b -> leaves.add(b.leaf));
            v.cuts.forEach(cut -> leaves.add(cut.leaf()));
            if (split) {
                splitInput(v, leaves, new RecordedVisit.Seeds(outputs, cotangents));
            } else {
                accumulate(v, leaves, new RecordedVisit.Seeds(outputs, cotangents));
            }
        }
    }

    private static void splitInput(RecordedVisit v, List<Tensor> leaves, RecordedVisit.Seeds last) {
        v.weightHalf.add(new RecordedVisit.Seeds(
                last.outputs(), last.cotangents().stream().map(Tensor::keep).toList()));
        walkInput(last, leaves);
        for (int i = v.cuts.size() - 1; i >= 0; i--) {
            RecordedVisit.Seeds seeds = v.ofCut(v.cuts.get(i));
            v.weightHalf.add(seeds);
            walkInput(seeds, leaves);
        }
    }

    private static void walkInput(RecordedVisit.Seeds seeds, List<Tensor> leaves) {
        if (leaves.isEmpty() || seeds.outputs().isEmpty()) {
            return;
        }
        List<Tensor> gs = Autograd.grad(seeds.outputs(), leaves, seeds.cotangents(), true, false);
        try (Autograd.Mode mode = Autograd.noGrad()) {
            for (int i = 0; i < gs.size(); i++) {
                Tensor g = leaves.get(i).grad();
                if (gs.get(i).isDefined()) {
                    leaves.get(i)
                            .setGrad(
                                    g.isDefined() ? g.add(gs.get(i)) : gs.get(i).copy());
                }
            }
        }
    }

    /** One walk through an uncut graph, else one through each piece, from the last to the first. */
    private static void accumulate(RecordedVisit v, List<Tensor> leaves, RecordedVisit.Seeds last) {
        walk(v, leaves, last, !v.cuts.isEmpty());
        for (int i = v.cuts.size() - 1; i >= 0; i--) {
            RecordedVisit.Seeds seeds = v.ofCut(v.cuts.get(i));
            if (!seeds.outputs().isEmpty()) {
                walk(v, leaves, seeds, i > 0);
                seeds.cotangents().forEach(Tensor::close);
            }
        }
    }

    /**
     * Autograd's own accumulation, made safe. A first gradient may be a view of a cotangent or of another gradient, and
     * a second one is added in place: so cotangents of leaves are summed here, and a parameter's first gradient is
     * copied when it is not alone on its storage.
     *
     * @param retain whether another walk follows, which may pass the same operators
     */
    private static void walk(RecordedVisit v, List<Tensor> leaves, RecordedVisit.Seeds seeds, boolean retain) {
        Map<Tensor, Tensor> earlier = new IdentityHashMap<>();
        for (Tensor leaf : leaves) {
            Tensor g = leaf.grad();
            if (g.isDefined()) {
                earlier.put(leaf, g);
                leaf.setGrad(null);
            }
        }
        List<Parameter> fresh = new ArrayList<>();
        for (Parameter p : v.segment.parameters()) {
            if (p.isTrainable() && !p.grad().isDefined()) {
                fresh.add(p);
            }
        }
        Autograd.backward(seeds.outputs(), seeds.cotangents(), retain);
        try (Autograd.Mode mode = Autograd.noGrad()) {
            earlier.forEach((leaf, g) -> {
                Tensor more = leaf.grad();
                leaf.setGrad(more.isDefined() ? g.add(more) : g);
            });
            for (Parameter p : fresh) {
                Tensor g = p.grad();
                if (g.isDefined() && !g.ownsStorage()) {
                    p.value().setGrad(g.copy());
                }
            }
        }
    }

    private void weightHalf(RecordedVisit v) {
        if (!v.reached) {
            return;
        }
        if (v.handWritten != null) {
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                v.handWritten.weight();
            }
        } else if (!v.weightHalf.isEmpty()) {
            List<Parameter> trainable = v.segment.parameters().stream()
                    .filter(Parameter::isTrainable)
                    .distinct()
                    .toList();
            try (Scope scope = Scope.open()) {
                List<Tensor> weights = trainable.stream().map(Parameter::value).toList();
                for (RecordedVisit.Seeds seeds : v.weightHalf) {
                    if (trainable.isEmpty() || seeds.outputs().isEmpty()) {
                        continue;
                    }
                    List<Tensor> gs = Autograd.grad(
                            seeds.outputs(), weights, seeds.cotangents(), seeds != v.weightHalf.getLast(), false);
                    for (int i = 0; i < gs.size(); i++) {
                        if (gs.get(i).isDefined()) {
                            trainable.get(i).addGrad(gs.get(i));
                        }
                    }
                }
            }
        }
    }

    /** Frees the visit and announces parameters whose last visit this was. */
    private void finish(RecordedVisit v, SegmentHook.Visit visit) {
        v.closeGraph();
        v.written.values().forEach(b -> {
            if (!current.containsValue(b)) {
                b.close();
            } else {
                b.leaf.setGrad(null);
            }
        });
        for (Parameter p : v.segment.parameters()) {
            if (remaining.merge(p, -1, Integer::sum) == 0 && p.isTrainable()) {
                for (SegmentHook h : hooks) {
                    h.gradientReady(p);
                }
            }
        }
        for (int h = hooks.size() - 1; h >= 0; h--) {
            hooks.get(h).afterBackward(visit);
        }
    }

    private void recompute(RecordedVisit v) {
        SegmentHook.Visit visit = new SegmentHook.Visit(v.segment, v.index, true);
        hooks.forEach(h -> h.beforeForward(visit));
        pass.enter(v.index);
        Flow flow = new Flow();
        v.read.forEach((name, b) -> flow.put(name, b.leaf));
        try (Scope scope = Scope.open()) {
            castInputs(v.segment, flow);
            HandWritten handWritten = handWritten(v.segment, flow);
            if (handWritten != null) {
                try (Autograd.Mode mode = Autograd.noGrad()) {
                    v.handWritten = handWritten.forward(flow, pass);
                }
            } else {
                v.outputs = new LinkedHashMap<>();
                record(v, flow);
                for (String name : v.written.keySet()) {
                    Tensor out = flow.get(name);
                    if (out.requiresGrad()) {
                        v.outputs.put(name, out.keep());
                    }
                }
            }
        }
        for (int h = hooks.size() - 1; h >= 0; h--) {
            hooks.get(h).afterForward(visit);
        }
    }

    /**
     * After backward: the cotangent of an input that required a gradient (a memory from an earlier pass, an embedding
     * under attack), or {@code null} when nothing depended on it. Belongs to the caller's scope.
     */
    public Tensor gradient(String input) {
        requireOpen();
        Boundary b = inputs.get(input);
        if (b == null) {
            throw new IllegalArgumentException("'" + input + "' was not an input; inputs were " + inputs.keySet());
        }
        return b.cotangent();
    }

    /** The first segment, in forward order, that wrote a NaN or an infinity that is no mask, and under which name. */
    public Optional<NonFinite> firstNonFinite() {
        for (RecordedVisit v : visits) {
            if (v.segment.parameters().isEmpty()) {
                continue;
            }
            for (Map.Entry<String, Boundary> e : v.written.entrySet()) {
                Tensor value = e.getValue().leaf;
                if (!value.dtype().isFloatingPoint()) {
                    continue;
                }
                try (Scope scope = Scope.open()) {
                    if (value.isFinite().logicalNot().sum().item() > 0) {
                        return Optional.of(new NonFinite(v.segment.name(), e.getKey()));
                    }
                }
            }
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        state = State.CLOSED;
        for (RecordedVisit v : visits) {
            v.closeGraph();
            v.written.values().forEach(Boundary::close);
        }
        visits.clear();
        inputs.values().forEach(Boundary::close);
    }
}
