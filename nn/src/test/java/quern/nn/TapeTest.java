package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.TensorException;

/** What tapes hold and free, and how misuse is answered. */
class TapeTest {
    @Test
    void thousandStepsHoldNothing() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "@" + Path.of(System.getProperty("quern.root"), "jvm.args"),
                        "-Xms96m",
                        "-Xmx96m",
                        "-XX:+AlwaysPreTouch",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        ThousandSteps.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        Matcher m =
                Pattern.compile("kept (-?\\d+) live (-?\\d+) resident (-?\\d+)").matcher(output);
        assertTrue(m.find(), output);
        assertEquals("0", m.group(1), "kept handles");
        assertEquals("0", m.group(2), "live handles");
        // 1 MB per 100 steps. One activation [2,12,16] leaked a step would take about that, a graph a hundred times it.
        assertTrue(Long.parseLong(m.group(3)) < 7 * 1024, output);
    }

    @Test
    void exceptionsInForwardLeakNothing() {
        Parameter p = ToyModel.parameter(1, "p", 1, 3);
        Segment good = new ToySegment("good", List.of("x"), List.of("x", "side"), List.of(p), (flow, pass) -> {
            flow.put("side", flow.get("x").mul(pass.value(p)));
            flow.put("x", flow.get("side").exp());
        });
        Segment bad = new ToySegment("bad", List.of("x"), List.of("y"), List.of(p), (flow, pass) -> {
            Tensor half = flow.get("x").mul(pass.value(p));
            flow.put("y", half.matmul(Tensor.zeros(DType.FP32, 2, 2)));
        });
        try (Network network = new Network(List.of(good, bad))) {
            assertLeaksNothing(() -> {
                try (Scope scope = Scope.open()) {
                    Flow in = new Flow().put("x", Tensor.of(new float[] {1, 2, 3}, 3));
                    TensorException e =
                            assertThrows(TensorException.class, () -> network.forward(in, Pass.training(0)));
                    assertTrue(e.getMessage().contains("[3]") && e.getMessage().contains("[2, 2]"), e.getMessage());
                    assertThrows(TensorException.class, () -> network.infer(in, Pass.training(0)));
                }
            });
        }
    }

    @Test
    void targetOutsideTheVocabularyLeaksNothing() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            assertLeaksNothing(() -> {
                try (Scope scope = Scope.open()) {
                    Flow in = ToyModel.batch(1, 1, 3);
                    in.put("targets", Tensor.of(new long[] {1, ToyModel.VOCABULARY, -100}, 1, 3));
                    assertThrows(QuernException.class, () -> network.forward(in, Pass.training(0)));
                    assertThrows(QuernException.class, () -> network.forward(in, Pass.evaluation()));
                }
            });
        }
    }

    @Test
    void exceptionsInBackwardLeakNothingOnceClosed() {
        Parameter p = ToyModel.parameter(1, "p", 1, 3);
        boolean[] broken = {false};
        Segment s = new ToySegment("s", List.of("x"), List.of("x"), List.of(p), (flow, pass) -> {
            if (broken[0]) {
                throw new IllegalStateException("broken on purpose");
            }
            flow.put("x", flow.get("x").mul(pass.value(p)));
        });
        try (Network network = new Network(List.of(s, s))) {
            network.addHook(new GradientCheckpointing(any -> true));
            assertLeaksNothing(() -> {
                try (Scope scope = Scope.open()) {
                    broken[0] = false;
                    Tensor x = Tensor.of(new float[] {1, 2, 3}, 3);
                    try (Tape tape = network.forward(new Flow().put("x", x), Pass.training(0))) {
                        broken[0] = true;
                        assertThrows(IllegalStateException.class, () -> tape.backward(Map.of("x", x)));
                    }
                    p.clearGrad();
                }
            });
        }
    }

    private static void assertLeaksNothing(Runnable body) {
        body.run();
        long kept = Tensor.keptHandles();
        long live = Native.liveHandles();
        for (int i = 0; i < 5; i++) {
            body.run();
            assertEquals(kept, Tensor.keptHandles());
            assertTrue(Native.liveHandles() <= live, "live handles grew from " + live + " to " + Native.liveHandles());
        }
    }

    @Test
    void closedTapesFreeEverythingInAnyOrder() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            long kept = Tensor.keptHandles();
            try (Scope scope = Scope.open()) {
                Tape a = network.forward(ToyModel.batch(1, 2, 5), Pass.training(0));
                Tape b = network.forward(ToyModel.batch(2, 2, 5), Pass.training(0));
                Tape c = network.forward(ToyModel.batch(3, 2, 5), Pass.training(0));
                a.close();
                c.backward(Gradients.seedLoss());
                b.backwardInput(Gradients.seedLoss());
                b.close();
                c.close();
                c.close();
            }
            Gradients.take(network);
            assertEquals(kept, Tensor.keptHandles());
        }
    }

    @Test
    void backwardFreesBoundariesAsItWalks() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1);
                Scope scope = Scope.open()) {
            try (Tape tape = network.forward(ToyModel.batch(1, 2, 5), Pass.training(0))) {
                long during = Tensor.keptHandles();
                tape.backward(Gradients.seedLoss());
                assertTrue(Tensor.keptHandles() < during - 5, "graphs are freed before the tape is closed");
            }
            Gradients.take(network);
        }
    }

    @Test
    void misuseIsAnswered() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1);
                Scope scope = Scope.open()) {
            Flow batch = ToyModel.batch(1, 2, 5);
            Tape tape = network.forward(batch, Pass.training(0));
            assertTrue(tape.has("loss"));
            assertFalse(tape.has("logits"));
            assertMessage(IllegalArgumentException.class, "nothing wrote 'logits'", () -> tape.get("logits"));
            assertMessage(
                    IllegalArgumentException.class,
                    "no gradient can start at 'logits': nothing wrote it",
                    () -> tape.backward(Map.of("logits", Gradients.one())));
            assertMessage(
                    IllegalArgumentException.class,
                    "no gradient can start at 'mask': no parameter leads to it",
                    () -> tape.backward(Map.of("mask", Gradients.one())));
            assertMessage(
                    IllegalArgumentException.class,
                    "the cotangent of 'loss' is fp32[2], the value fp32[1]",
                    () -> tape.backward(Map.of("loss", Tensor.zeros(DType.FP32, 2))));
            assertMessage(IllegalStateException.class, "backwardWeight follows", tape::backwardWeight);
            tape.backward(Gradients.seedLoss());
            assertMessage(
                    IllegalStateException.class, "a tape is walked once", () -> tape.backward(Gradients.seedLoss()));
            assertMessage(
                    IllegalStateException.class,
                    "a tape is walked once",
                    () -> tape.backwardInput(Gradients.seedLoss()));
            assertMessage(IllegalStateException.class, "backwardWeight follows", tape::backwardWeight);
            assertMessage(IllegalArgumentException.class, "'memory' was not an input", () -> tape.gradient("memory"));
            tape.close();
            assertMessage(IllegalStateException.class, "the tape is closed", () -> tape.get("loss"));
            assertMessage(IllegalStateException.class, "the tape is closed", () -> tape.gradient("input_ids"));
            assertMessage(IllegalStateException.class, "the tape is closed", () -> tape.backward(Gradients.seedLoss()));
            Gradients.take(network);
        }
    }

    @Test
    void wiringMistakesNameTheSegmentAndTheName() {
        Parameter p = ToyModel.parameter(1, "p", 1, 3);
        Segment s = new ToySegment(
                "s", List.of("x"), List.of("y"), List.of(p), (flow, pass) -> flow.put("y", flow.get("z")));
        try (Network network = new Network(List.of(s));
                Scope scope = Scope.open()) {
            Tensor x = Tensor.of(new float[] {1, 2, 3}, 3);
            for (String name : List.of("w", "x")) {
                String message = name.equals("w") ? "segment 's' reads 'x', which nothing wrote" : "no 'z' in the flow";
                Flow in = new Flow().put(name, x);
                assertMessage(IllegalArgumentException.class, message, () -> network.forward(in, Pass.training(0)));
                assertMessage(IllegalArgumentException.class, message, () -> network.infer(in, Pass.training(0)));
                assertMessage(
                        IllegalArgumentException.class,
                        message,
                        () -> network.wholeGraph(Map.of(), in, Pass.training(0)));
            }
            Segment other = new ToySegment("s", List.of(), List.of(), List.of(), (flow, pass) -> {});
            assertMessage(
                    IllegalArgumentException.class,
                    "two segments are called 's'",
                    () -> new Network(List.of(s, other)));
            Parameter twin = new Parameter("p", x);
            Segment t = new ToySegment("t", List.of(), List.of(), List.of(twin), (flow, pass) -> {});
            assertMessage(
                    IllegalArgumentException.class, "two parameters are called 'p'", () -> new Network(List.of(s, t)));
            twin.close();
        }
    }

    private static void assertMessage(Class<? extends RuntimeException> type, String part, Executable body) {
        RuntimeException e = assertThrows(type, body);
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    @Test
    void oneSeedGivesOneSetOfMasks() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.withDropout(0.2), 1);
                Scope scope = Scope.open()) {
            Flow batch = ToyModel.batch(1, 2, 8);
            var a = Gradients.segmentWise(network, batch, Pass.training(5), Gradients.seedLoss());
            Gradients.assertSameBits(a, Gradients.segmentWise(network, batch, Pass.training(5), Gradients.seedLoss()));
            var b = Gradients.segmentWise(network, batch, Pass.training(6), Gradients.seedLoss());
            assertFalse(Arrays.equals(a.get("embed_tokens.weight"), b.get("embed_tokens.weight")));
            float[] calm =
                    network.infer(batch, Pass.evaluation()).get("logprobs").toFloats();
            Gradients.assertSameBits(
                    calm,
                    network.infer(batch, Pass.evaluation()).get("logprobs").toFloats(),
                    "no dropout");
            assertFalse(Arrays.equals(
                    calm, network.infer(batch, Pass.training(5)).get("logprobs").toFloats()));
        }
    }

    @Test
    void inferenceEqualsTheTapeAndHoldsNothing() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            long kept = Tensor.keptHandles();
            try (Scope scope = Scope.open()) {
                Flow batch = ToyModel.batch(1, 2, 8);
                Flow out = network.infer(batch, Pass.evaluation());
                assertEquals(kept, Tensor.keptHandles());
                try (Tape tape = network.forward(batch, Pass.training(0))) {
                    Gradients.assertSameBits(
                            tape.get("logprobs").toFloats(), out.get("logprobs").toFloats(), "logprobs");
                }
                assertFalse(out.get("logprobs").requiresGrad());
            }
            assertEquals(kept, Tensor.keptHandles());
        }
    }

    @Test
    void closingANetworkTwiceIsHarmless() {
        Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1);
        long kept = Tensor.keptHandles();
        int parameters = network.parameters().size();
        network.close();
        assertEquals(kept - parameters, Tensor.keptHandles());
        network.close();
        assertEquals(kept - parameters, Tensor.keptHandles());
    }
}
