package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.nn.SegmentHook;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;

/** Eight rows at once, and eight times one row, are the same step. */
class AccumulationTest {
    /** Of a gradient's norm: the order of sums differs, and one fp32 rounding is 6e-8. */
    private static final double GRADIENT = 1e-6;
    /** Of a loss of about 3: a few fp32 roundings. */
    private static final double LOSS = 1e-6;
    /** Of a loss after some steps of AdamW, which divides each gradient by its own size and so magnifies roundings. */
    private static final double LATER_LOSS = 1e-5;

    private static final int STEPS = 5;

    @TempDir
    Path folder;

    /** Rows of 8 to 16 characters, enough for {@link #STEPS} steps of 8 rows within one epoch. */
    @BeforeEach
    void shortLines() throws IOException {
        SplittableRandom random = new SplittableRandom(7);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 60; i++) {
            for (int k = random.nextInt(8, 16); k >= 0; k--) {
                text.append((char) ('a' + random.nextInt(6)));
            }
            text.append('\n');
        }
        Files.writeString(folder.resolve("text.txt"), text);
    }

    private record Step(StepResult result, Map<String, float[]> gradients, double meanOverTokens) {}

    private List<Step> train(String model, boolean packing, int rows, int accumulation) {
        Preparation p = Preparation.of(
                TinyRuns.blockOf(
                        model,
                        folder,
                        "data.packing=" + packing,
                        "data.text_unit=line",
                        "per_device_train_batch_size=" + rows,
                        "gradient_accumulation_steps=" + accumulation),
                note -> {});
        List<Step> steps = new ArrayList<>();
        try (LanguageModel net = p.model();
                Optimizer optimizer = p.optimizer(net.network())) {
            TrainingStep step = new TrainingStep(
                    net.network(),
                    net.device(),
                    optimizer,
                    new GradientClipping(1),
                    Regularization.NONE,
                    p.recipe().seed());
            for (int i = 0; i < STEPS; i++) {
                List<Batch> batches = new ArrayList<>();
                for (int k = 0; k < accumulation; k++) {
                    batches.add(p.batches().batch((long) i * accumulation + k));
                }
                double mean = meanOverTokens(net, batches);
                StepResult result = step.take(i, batches, p.schedule().rate(i));
                steps.add(new Step(result, gradients(net.parameters()), mean));
            }
        }
        return steps;
    }

    /** Summed in double precision over the rows of all batches. */
    private static double meanOverTokens(LanguageModel net, List<Batch> batches) {
        double sum = 0;
        long counted = 0;
        for (Batch batch : batches) {
            try (Scope scope = Scope.open()) {
                float[] logprobs = net.network()
                        .infer(TokenTensors.unweighted(batch, net.device()), Pass.evaluation())
                        .get("logprobs")
                        .toFloats();
                for (int i = 0; i < logprobs.length; i++) {
                    if (batch.labels()[i] != Batch.NOT_COUNTED) {
                        sum -= logprobs[i];
                        counted++;
                    }
                }
            }
        }
        return sum / counted;
    }

    private static Map<String, float[]> gradients(List<Parameter> parameters) {
        Map<String, float[]> all = new LinkedHashMap<>();
        for (Parameter p : parameters) {
            try (Scope scope = Scope.open()) {
                all.put(p.name(), p.grad().toFloats());
            }
        }
        return all;
    }

    @ParameterizedTest
    @CsvSource({"gpt2, true", "gpt2, false", "llama, true", "llama, false"})
    void eightRowsAreEightTimesOne(String family, boolean packing) {
        String model = (family.equals("gpt2") ? TinyRuns.GPT2 : TinyRuns.LLAMA).replace("dropout: 0.1", "dropout: 0.0");
        List<Step> atOnce = train(model, packing, 8, 1);
        List<Step> oneByOne = train(model, packing, 1, 8);

        for (int i = 0; i < STEPS; i++) {
            StepResult a = atOnce.get(i).result();
            StepResult b = oneByOne.get(i).result();
            assertEquals(a.countedTokens(), b.countedTokens());
            assertEquals(a.tokens(), b.tokens());
            assertEquals(a.loss(), b.loss(), (i == 0 ? LOSS : LATER_LOSS) * a.loss(), "step " + i);
            assertEquals(atOnce.get(i).meanOverTokens(), a.loss(), LOSS * a.loss(), "the mean over all tokens");
            assertEquals(oneByOne.get(i).meanOverTokens(), b.loss(), LOSS * b.loss(), "the mean over all tokens");
        }
        atOnce.get(0).gradients().forEach((name, expected) -> {
            float[] actual = oneByOne.get(0).gradients().get(name);
            double difference = 0;
            double norm = 0;
            for (int k = 0; k < expected.length; k++) {
                difference += Math.pow((double) expected[k] - actual[k], 2);
                norm += Math.pow(expected[k], 2);
            }
            assertTrue(norm > 0, name + " has no gradient");
            assertTrue(
                    Math.sqrt(difference / norm) <= GRADIENT,
                    "%s: relative error %g".formatted(name, Math.sqrt(difference / norm)));
        });
        assertEquals(
                atOnce.get(0).result().gradientNorm(), oneByOne.get(0).result().gradientNorm(), GRADIENT);
    }

    /** Blocks wide enough for their hand-written form, and blocks that take libtorch's operators. */
    @ParameterizedTest
    @CsvSource({"64, bf16", "64, fp32", "16, bf16"})
    void sumsStayWhereTheyAre(int width, String precision) {
        String model =
                "{family: gpt2, n_layer: 2, n_head: 2, n_embd: %d, n_positions: 64, dropout: 0.0}".formatted(width);
        Preparation p = Preparation.of(
                TinyRuns.blockOf(
                        model,
                        folder,
                        "precision=" + precision,
                        "data.packing=true",
                        "data.max_length=64",
                        "gradient_accumulation_steps=2"),
                note -> {});
        try (LanguageModel net = p.model();
                Optimizer optimizer = p.optimizer(net.network())) {
            TrainingStep step = new TrainingStep(
                    net.network(), net.device(), optimizer, new GradientClipping(1), Regularization.NONE, 1);
            List<Map<String, Long>> places = new ArrayList<>();
            net.network().addHook(new SegmentHook() {
                @Override
                public void afterBackward(Visit visit) {
                    if (visit.index() == 0) {
                        places.add(places(net.parameters()));
                    }
                }
            });
            for (int i = 0; i < 2; i++) {
                step.take(i, List.of(p.batches().batch(0), p.batches().batch(0)), 1e-3);
            }
            assertEquals(places.get(0), places.get(1), "between micro-batches");
            if (precision.equals("bf16")) {
                assertEquals(places.get(0), places.get(2), "between steps");
            }
            assertEquals(places.get(2), places.get(3), "between micro-batches of the second step");
        }
    }

    private static Map<String, Long> places(List<Parameter> parameters) {
        Map<String, Long> all = new LinkedHashMap<>();
        for (Parameter p : parameters) {
            try (Scope scope = Scope.open()) {
                assertEquals(DType.FP32, p.grad().dtype(), p.name());
                all.put(p.name(), p.grad().memory().address());
            }
        }
        return all;
    }

    /** The rows of a step must differ in length, or the test above would also pass with a mean of means. */
    @Test
    void rowsDoDifferInLength() {
        Preparation p = Preparation.of(TinyRuns.block(folder, "data.packing=false", "data.text_unit=line"), note -> {});
        int[] lengths = p.batches().batch(0).lengths();
        assertTrue(java.util.Arrays.stream(lengths).distinct().count() > 1, java.util.Arrays.toString(lengths));
    }
}
