package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** The order of hooks, the flag of recomputation, and the moment a gradient is complete. */
class SegmentHookTest extends ScopedTest {
    private static SegmentHook recorder(String name, List<String> events) {
        return new SegmentHook() {
            private void add(String what, Visit v) {
                events.add(name + " " + what + " " + v.segment().name() + "#" + v.index()
                        + (v.recomputing() ? " again" : ""));
            }

            @Override
            public void beforeForward(Visit visit) {
                add("beforeForward", visit);
            }

            @Override
            public void afterForward(Visit visit) {
                add("afterForward", visit);
            }

            @Override
            public void beforeBackward(Visit visit) {
                add("beforeBackward", visit);
            }

            @Override
            public void afterBackward(Visit visit) {
                add("afterBackward", visit);
            }

            @Override
            public void gradientReady(Parameter parameter) {
                events.add(name + " ready " + parameter.name());
            }
        };
    }

    private static Segment scale(String name, Parameter... parameters) {
        return new ToySegment(name, List.of("x"), List.of("x"), List.of(parameters), (flow, pass) -> {
            Tensor x = flow.get("x");
            for (Parameter p : parameters) {
                x = x.mul(pass.value(p));
            }
            flow.put("x", x);
        });
    }

    private static Flow input() {
        return new Flow().put("x", Tensor.of(new float[] {1, 2, 3}, 3));
    }

    private static Map<String, Tensor> seed() {
        return Map.of("x", Tensor.of(new float[] {1, 1, 1}, 3));
    }

    @Test
    void declaredOrderBeforeAndReversedAfter() {
        Parameter p = ToyModel.parameter(1, "p", 1, 3);
        Parameter q = ToyModel.parameter(2, "q", 1, 3);
        try (Network network = new Network(List.of(scale("s", p), scale("t", q, p)))) {
            List<String> events = new ArrayList<>();
            network.addHook(recorder("A", events));
            network.addHook(new GradientCheckpointing(s -> s.name().equals("s")));
            network.addHook(recorder("B", events));
            try (Tape tape = network.forward(input(), Pass.training(0))) {
                assertEquals(
                        List.of(
                                "A beforeForward s#0",
                                "B beforeForward s#0",
                                "B afterForward s#0",
                                "A afterForward s#0",
                                "A beforeForward t#1",
                                "B beforeForward t#1",
                                "B afterForward t#1",
                                "A afterForward t#1"),
                        events);
                events.clear();
                tape.backward(seed());
            }
            assertEquals(
                    List.of(
                            "A beforeBackward t#1",
                            "B beforeBackward t#1",
                            "A ready q",
                            "B ready q",
                            "B afterBackward t#1",
                            "A afterBackward t#1",
                            "A beforeBackward s#0",
                            "B beforeBackward s#0",
                            "A beforeForward s#0 again",
                            "B beforeForward s#0 again",
                            "B afterForward s#0 again",
                            "A afterForward s#0 again",
                            "A ready p",
                            "B ready p",
                            "B afterBackward s#0",
                            "A afterBackward s#0"),
                    events);
        }
    }

    @Test
    void inferenceRunsTheForwardHooks() {
        Parameter p = ToyModel.parameter(1, "p", 1, 3);
        try (Network network = new Network(List.of(scale("s", p)))) {
            List<String> events = new ArrayList<>();
            SegmentHook hook = recorder("A", events);
            network.addHook(hook);
            network.infer(input(), Pass.evaluation());
            assertEquals(List.of("A beforeForward s#0", "A afterForward s#0"), events);
            network.removeHook(hook);
            network.infer(input(), Pass.evaluation());
            assertEquals(2, events.size(), "a removed hook is silent");
        }
    }

    /** Each parameter is announced once, and its gradient does not change afterwards. */
    private static void assertReadyOnceAndFinal(Network network, boolean halves) {
        Map<String, Integer> times = new TreeMap<>();
        Map<String, float[]> announced = new HashMap<>();
        SegmentHook hook = new SegmentHook() {
            @Override
            public void gradientReady(Parameter parameter) {
                times.merge(parameter.name(), 1, Integer::sum);
                announced.put(parameter.name(), parameter.grad().toFloats());
            }
        };
        network.addHook(hook);
        try (Tape tape = network.forward(ToyModel.batch(3, 2, 6), Pass.training(0))) {
            if (halves) {
                tape.backwardInput(Gradients.seedLoss());
                assertEquals(Map.of(), times, "no gradient is complete before the weight half");
                tape.backwardWeight();
            } else {
                tape.backward(Gradients.seedLoss());
            }
        }
        Map<String, Integer> once = new TreeMap<>();
        network.parameters().stream().filter(Parameter::isTrainable).forEach(p -> once.put(p.name(), 1));
        assertEquals(once, times);
        Gradients.assertSameBits(Gradients.take(network), announced);
        network.removeHook(hook);
    }

    @Test
    void gradientIsReadyOnceAfterTheLastVisit() {
        try (Network network =
                ToyModel.decoder(ToyModel.Shape.PLAIN.withTiedEnds().visited(3), 1)) {
            assertReadyOnceAndFinal(network, false);
            assertReadyOnceAndFinal(network, true);
            network.addHook(new GradientCheckpointing(s -> true));
            assertReadyOnceAndFinal(network, false);
        }
    }

    @Test
    void frozenParametersAreNeverAnnounced() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            network.parameters().get(3).setTrainable(false);
            assertReadyOnceAndFinal(network, false);
        }
    }
}
