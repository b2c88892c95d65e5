package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Gradients by segments equal those of one whole graph, whatever the wiring. */
class SegmentGradientsTest extends ScopedTest {
    private static Tensor normal(long seed, long... shape) {
        return Tensor.randn(new RandomStream(seed), shape);
    }

    private static void assertWholeGraph(Network network, Flow inputs, Map<String, Tensor> seeds) {
        var whole = Gradients.whole(network, inputs, Pass.training(7), seeds);
        Gradients.assertAlive(whole, network);
        Gradients.assertClose(whole, Gradients.segmentWise(network, inputs, Pass.training(7), seeds), Gradients.FP32);
        Gradients.assertClose(whole, Gradients.inHalves(network, inputs, Pass.training(7), seeds), Gradients.FP32);
    }

    @Test
    void decoder() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            assertWholeGraph(network, ToyModel.batch(2, 3, 11), Gradients.seedLoss());
        }
    }

    @Test
    void dropoutDrawsTheSameMasksInBothForms() {
        try (Network network =
                ToyModel.decoder(ToyModel.Shape.PLAIN.withLearnedPositions().withDropout(0.3), 1)) {
            assertWholeGraph(network, ToyModel.batch(2, 3, 11), Gradients.seedLoss());
        }
    }

    @Test
    void blockVisitedThreeTimes() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.visited(3), 3)) {
            assertWholeGraph(network, ToyModel.batch(4, 2, 9), Gradients.seedLoss());
        }
    }

    @Test
    void tiedEnds() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.withTiedEnds(), 5)) {
            assertWholeGraph(network, ToyModel.batch(6, 2, 9), Gradients.seedLoss());
        }
    }

    @Test
    void tiedEndsVisitedThreeTimesWithDropout() {
        try (Network network =
                ToyModel.decoder(ToyModel.Shape.PLAIN.withTiedEnds().visited(3).withDropout(0.2), 5)) {
            assertWholeGraph(network, ToyModel.batch(6, 2, 9), Gradients.seedLoss());
        }
    }

    /** x + tanh(x·W): a residual layer. */
    private static Segment residual(String name, String stream, Parameter w) {
        return new ToySegment(name, List.of(stream), List.of(stream), List.of(w), (flow, pass) -> {
            Tensor x = flow.get(stream);
            flow.put(stream, x.add(x.matmul(pass.value(w)).tanh()));
        });
    }

    @Test
    void encoderStatesReadByEveryDecoderBlock() {
        int d = 8;
        List<Segment> visits = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            visits.add(residual(
                    "encoder." + i, "encoder_states", ToyModel.parameter(i, "encoder." + i + ".w", 0.4, d, d)));
        }
        for (int i = 0; i < 3; i++) {
            Parameter q = ToyModel.parameter(10 + i, "decoder." + i + ".q", 0.4, d, d);
            Parameter kv = ToyModel.parameter(20 + i, "decoder." + i + ".kv", 0.4, d, d);
            visits.add(new ToySegment(
                    "decoder." + i,
                    List.of("hidden_states", "encoder_states"),
                    List.of("hidden_states"),
                    List.of(q, kv),
                    (flow, pass) -> {
                        Tensor x = flow.get("hidden_states");
                        Tensor e = flow.get("encoder_states").matmul(pass.value(kv));
                        Tensor pattern =
                                Functional.softmax(x.matmul(pass.value(q)).matmul(e.transpose(1, 2)), -1);
                        flow.put("hidden_states", x.add(pattern.matmul(e)));
                    }));
        }
        visits.add(new ToySegment(
                "loss",
                List.of("hidden_states"),
                List.of("loss"),
                List.of(),
                (flow, pass) -> flow.put(
                        "loss", flow.get("hidden_states").square().mean().view(1))));
        try (Network network = new Network(visits)) {
            Flow inputs = new Flow().put("encoder_states", normal(1, 2, 6, d)).put("hidden_states", normal(2, 2, 4, d));
            assertWholeGraph(network, inputs, Gradients.seedLoss());
        }
    }

    /** Layers that write their router's logits under names of their own, beside the stream. */
    private static List<Segment> routedLayers(int layers, int d, int experts) {
        List<Segment> visits = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            Parameter w = ToyModel.parameter(i, "layers." + i + ".w", 0.4, d, d);
            Parameter r = ToyModel.parameter(50 + i, "layers." + i + ".router", 0.4, d, experts);
            String name = "router_logits." + i;
            visits.add(new ToySegment(
                    "layers." + i,
                    List.of("hidden_states"),
                    List.of("hidden_states", name),
                    List.of(w, r),
                    (flow, pass) -> {
                        Tensor x = flow.get("hidden_states");
                        Tensor logits = x.matmul(pass.value(r));
                        Tensor gate = Functional.softmax(logits, -1).amax(true, -1);
                        flow.put(name, logits);
                        flow.put(
                                "hidden_states",
                                x.add(x.matmul(pass.value(w)).tanh().mul(gate)));
                    }));
        }
        return visits;
    }

    /** Over all layers' tokens together: experts · Σ (mean probability)². */
    private static Tensor balance(List<Tensor> logits, int experts) {
        Tensor p = Functional.softmax(Tensor.cat(logits, 0), -1);
        return p.mean(false, 0).square().sum().mul(experts).view(1);
    }

    @Test
    void lossThatJoinsAllLayersInALastSegment() {
        int layers = 3;
        List<Segment> visits = routedLayers(layers, 6, 4);
        List<String> names = List.of("router_logits.0", "router_logits.1", "router_logits.2", "hidden_states");
        visits.add(new ToySegment("loss", names, List.of("loss"), List.of(), (flow, pass) -> {
            List<Tensor> logits =
                    names.subList(0, layers).stream().map(flow::get).toList();
            Tensor task = flow.get("hidden_states").square().mean().view(1);
            flow.put("loss", task.add(balance(logits, 4).mul(0.1)));
        }));
        try (Network network = new Network(visits)) {
            Flow inputs = new Flow().put("hidden_states", normal(9, 10, 6));
            assertWholeGraph(network, inputs, Gradients.seedLoss());
        }
    }

    @Test
    void lossThatJoinsAllLayersOutsideTheTape() {
        int layers = 3;
        try (Network network = new Network(routedLayers(layers, 6, 4))) {
            Flow inputs = new Flow().put("hidden_states", normal(9, 10, 6));
            Flow out = network.wholeGraph(Map.of(), inputs, Pass.training(0));
            List<Tensor> all = new ArrayList<>();
            for (int i = 0; i < layers; i++) {
                all.add(out.get("router_logits." + i));
            }
            Tensor loss = balance(all, 4).add(out.get("hidden_states").square().mean());
            var whole = Gradients.of(network, List.of(loss), List.of(Gradients.one()));
            Gradients.assertAlive(whole, network);
            try (Tape tape = network.forward(inputs, Pass.training(0))) {
                Map<String, Tensor> leaves = new LinkedHashMap<>();
                for (int i = 0; i < layers; i++) {
                    leaves.put("router_logits." + i, leaf(tape.get("router_logits." + i)));
                }
                Tensor hidden = leaf(tape.get("hidden_states"));
                Tensor joined = balance(List.copyOf(leaves.values()), 4)
                        .add(hidden.square().mean());
                leaves.put("hidden_states", hidden);
                tape.backward(seeds(joined, leaves));
            }
            Gradients.assertClose(whole, Gradients.take(network), Gradients.FP32);
        }
    }

    private static Tensor leaf(Tensor x) {
        return x.detach().requiresGrad_(true);
    }

    /** The cotangents of a loss that was computed from leaves. */
    private static Map<String, Tensor> seeds(Tensor loss, Map<String, Tensor> leaves) {
        List<Tensor> grads =
                Autograd.grad(List.of(loss), List.copyOf(leaves.values()), List.of(Gradients.one()), false, false);
        Map<String, Tensor> seeds = new LinkedHashMap<>();
        int i = 0;
        for (String name : leaves.keySet()) {
            seeds.put(name, grads.get(i++));
        }
        return seeds;
    }

    /** -ln σ(β((πc - πr) - (ρc - ρr))) over pairs, from per-token log-probabilities [pairs, T]. */
    private static Tensor preference(Tensor chosen, Tensor rejected, Tensor otherChosen, Tensor otherRejected) {
        Tensor policy = chosen.sum(false, 1).sub(rejected.sum(false, 1));
        Tensor reference = otherChosen.sum(false, 1).sub(otherRejected.sum(false, 1));
        return policy.sub(reference).mul(0.1).sigmoid().log().mean().neg().view(1);
    }

    @Test
    void sequenceLossOverPairsOfTwoModelsAliveAtOnce() {
        try (Network policy = ToyModel.decoder(ToyModel.Shape.PLAIN, 1);
                Network other = ToyModel.decoder(ToyModel.Shape.PLAIN.withTiedEnds(), 2)) {
            Flow chosen = pairs(3);
            Flow rejected = pairs(4);
            Tensor loss = preference(
                    policy.wholeGraph(Map.of(), chosen, Pass.training(0)).get("logprobs"),
                    policy.wholeGraph(Map.of(), rejected, Pass.training(0)).get("logprobs"),
                    other.wholeGraph(Map.of(), chosen, Pass.training(0)).get("logprobs"),
                    other.wholeGraph(Map.of(), rejected, Pass.training(0)).get("logprobs"));
            var wholePolicy = Gradients.of(policy, List.of(loss), List.of(Gradients.one()));
            var wholeOther = Gradients.of(other, List.of(loss), List.of(Gradients.one()));
            Gradients.assertAlive(wholePolicy, policy);

            try (Tape a = policy.forward(chosen, Pass.training(0));
                    Tape b = policy.forward(rejected, Pass.training(0));
                    Tape c = other.forward(chosen, Pass.training(0));
                    Tape d = other.forward(rejected, Pass.training(0))) {
                Map<String, Tensor> leaves = new LinkedHashMap<>();
                leaves.put("a", leaf(a.get("logprobs")));
                leaves.put("b", leaf(b.get("logprobs")));
                leaves.put("c", leaf(c.get("logprobs")));
                leaves.put("d", leaf(d.get("logprobs")));
                Tensor small = preference(leaves.get("a"), leaves.get("b"), leaves.get("c"), leaves.get("d"));
                // The two losses come from different sums of the same log-probabilities.
                assertEquals(loss.item(), small.item(), 1e-6 * Math.abs(loss.item()));
                Map<String, Tensor> seeds = seeds(small, leaves);
                a.backward(Map.of("logprobs", seeds.get("a")));
                c.backward(Map.of("logprobs", seeds.get("c")));
                b.backward(Map.of("logprobs", seeds.get("b")));
                d.backward(Map.of("logprobs", seeds.get("d")));
            }
            // Chosen and rejected parts nearly cancel, so rounding is measured against parts larger than their sum.
            Gradients.assertClose(wholePolicy, Gradients.take(policy), 2 * Gradients.FP32);
            Gradients.assertClose(wholeOther, Gradients.take(other), 2 * Gradients.FP32);
        }
    }

    private static Flow pairs(long seed) {
        Flow batch = ToyModel.batch(seed, 2, 8);
        return new Flow().put("input_ids", batch.get("input_ids")).put("targets", batch.get("targets"));
    }

    @Test
    void severalHeads() {
        Parameter shared = ToyModel.parameter(1, "trunk.w", 0.4, 8, 8);
        Parameter first = ToyModel.parameter(2, "first.w", 0.4, 8, 5);
        Parameter second = ToyModel.parameter(3, "second.w", 0.4, 8, 3);
        List<Segment> visits =
                List.of(residual("trunk", "hidden_states", shared), head("first", first), head("second", second));
        try (Network network = new Network(visits)) {
            Flow inputs = new Flow().put("hidden_states", normal(4, 7, 8));
            assertWholeGraph(network, inputs, Map.of("first", normal(5, 7, 5), "second", normal(6, 7, 3)));
            var one = Gradients.segmentWise(network, inputs, Pass.training(0), Map.of("second", normal(6, 7, 3)));
            assertEquals(Set.of("trunk.w", "second.w"), one.keySet(), "the other head gets no gradient");
        }
    }

    private static Segment head(String name, Parameter w) {
        return new ToySegment(
                name,
                List.of("hidden_states"),
                List.of(name),
                List.of(w),
                (flow, pass) -> flow.put(name, flow.get("hidden_states").matmul(pass.value(w))));
    }

    @Test
    void memoriesCarriedBetweenPasses() {
        int d = 6;
        Parameter in = ToyModel.parameter(1, "in", 0.4, d, d);
        Parameter carry = ToyModel.parameter(2, "carry", 0.4, d, d);
        Segment recurrent = new ToySegment(
                "recurrent", List.of("x", "memory"), List.of("memory"), List.of(in, carry), (flow, pass) -> {
                    Tensor x = flow.get("x").matmul(pass.value(in));
                    flow.put(
                            "memory",
                            x.add(flow.get("memory").matmul(pass.value(carry))).tanh());
                });
        Segment loss = new ToySegment(
                "loss",
                List.of("memory"),
                List.of("loss"),
                List.of(),
                (flow, pass) ->
                        flow.put("loss", flow.get("memory").square().mean().view(1)));
        try (Network network = new Network(List.of(recurrent, loss))) {
            List<Tensor> xs = List.of(normal(1, 4, d), normal(2, 4, d), normal(3, 4, d));
            Tensor start = normal(4, 4, d);

            Tensor memory = start;
            Flow out = null;
            for (Tensor x : xs) {
                out = network.wholeGraph(Map.of(), new Flow().put("x", x).put("memory", memory), Pass.training(0));
                memory = out.get("memory");
            }
            var whole = Gradients.of(network, List.of(out.get("loss")), List.of(Gradients.one()));

            List<Tape> tapes = new ArrayList<>();
            Tensor carried = start;
            for (Tensor x : xs) {
                tapes.add(network.forward(new Flow().put("x", x).put("memory", carried), Pass.training(0)));
                carried = tapes.getLast().get("memory");
            }
            Map<String, Tensor> seeds = Gradients.seedLoss();
            for (Tape tape : tapes.reversed()) {
                tape.backward(seeds);
                Tensor g = tape.gradient("memory");
                if (tape == tapes.getFirst()) {
                    assertNull(g, "the first memory asked for no gradient");
                } else {
                    assertNotNull(g);
                    seeds = Map.of("memory", g);
                }
            }
            tapes.forEach(Tape::close);
            Gradients.assertClose(whole, Gradients.take(network), Gradients.FP32);
        }
    }

    @Test
    void lowRankSlotOnAFrozenBase() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            network.parameters().forEach(p -> p.setTrainable(false));
            List<Parameter> added = new ArrayList<>();
            network.linears().forEach((name, slot) -> {
                if (name.endsWith("q_proj") || name.endsWith("down_proj")) {
                    Linear.Form base = slot.form();
                    Parameter a = ToyModel.parameter(1, name + ".lora_A", 0.3, 3, base.inFeatures());
                    Parameter b = ToyModel.parameter(2, name + ".lora_B", 0.3, base.outFeatures(), 3);
                    slot.replace(new LowRankLinear(base, a, b, 2));
                    added.add(a);
                    added.add(b);
                }
            });
            Flow inputs = ToyModel.batch(2, 3, 11);
            var whole = Gradients.whole(network, inputs, Pass.training(0), Gradients.seedLoss());
            assertEquals(added.size(), whole.size());
            Gradients.assertClose(
                    whole,
                    Gradients.segmentWise(network, inputs, Pass.training(0), Gradients.seedLoss()),
                    Gradients.FP32);
            Gradients.assertClose(
                    whole, Gradients.inHalves(network, inputs, Pass.training(0), Gradients.seedLoss()), Gradients.FP32);
            Parameter frozen = network.parameters().stream()
                    .filter(p -> !p.isTrainable())
                    .findFirst()
                    .orElseThrow();
            assertEquals(false, frozen.grad().isDefined());
        }
    }

    /** Two inputs whose cotangents are views of one tensor, one of them read by two visits. */
    @Test
    void cotangentsThatShareStorageStayApart() {
        Parameter p = ToyModel.parameter(1, "p", 1, 12);
        Segment earlier = new ToySegment(
                "earlier",
                List.of("a"),
                List.of("early"),
                List.of(),
                (flow, pass) -> flow.put("early", flow.get("a").square()));
        Segment later = new ToySegment(
                "later",
                List.of("a", "b"),
                List.of("late"),
                List.of(p),
                (flow, pass) -> flow.put(
                        "late",
                        flow.get("a")
                                .view(12)
                                .add(flow.get("b").view(12))
                                .add(pass.value(p).view(3, 4).view(12))));
        try (Network network = new Network(List.of(earlier, later))) {
            Tensor a = normal(1, 3, 4).requiresGrad_(true);
            Tensor b = normal(2, 3, 4).requiresGrad_(true);
            Tensor seed = normal(3, 12);
            Tensor seedEarly = normal(4, 3, 4);
            try (Tape tape = network.forward(new Flow().put("a", a).put("b", b), Pass.training(0))) {
                tape.backward(Map.of("late", seed, "early", seedEarly));
                Gradients.assertSameBits(seed.toFloats(), tape.gradient("b").toFloats(), "b");
                Gradients.assertSameBits(seed.toFloats(), p.grad().toFloats(), "p");
                Gradients.assertClose(
                        a.mul(seedEarly).mul(2).add(seed.view(3, 4)).toFloats(),
                        tape.gradient("a").toFloats(),
                        Gradients.FP32,
                        "a");
                p.grad().zero_();
                Gradients.assertSameBits(
                        seed.toFloats(), tape.gradient("b").toFloats(), "b after p's gradient was cleared");
            }
        }
    }

    @Test
    void splitBackwardOfBf16() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.in(DType.BF16), 1)) {
            Flow inputs = ToyModel.batch(2, 3, 11);
            var one = Gradients.segmentWise(network, inputs, Pass.training(0), Gradients.seedLoss());
            var two = Gradients.inHalves(network, inputs, Pass.training(0), Gradients.seedLoss());
            Gradients.assertAlive(one, network);
            Gradients.assertSameBits(one, two);
        }
    }
}
