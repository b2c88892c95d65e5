package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Batch;
import quern.data.CaptionedImages;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.data.TooLong;
import quern.data.VectorQuantizedImages;
import quern.models.GenerationConfig;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.models.vqvae.ImageTokenizer;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;

/** A VQ-VAE learns images of shapes from a recipe, and a decoder their captions and codes in one sequence. */
class ImagesTrainingTest {
    private static final int SIDE = 12;
    private static final int CODES = 32;
    private static final int PER_IMAGE = 9;
    private static final String VQ =
            "{family: vqvae, image_size: 12, patch_size: 4, hidden_size: 24, num_hidden_layers: 1, num_embeddings: 32, embedding_dim: 8}";
    private static final String LLAMA =
            "{family: llama, hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 96, max_position_embeddings: 64}";
    private static final String SHAPES =
            "data={path: null, source: shapes, shapes_pairs: %d, shapes_seed: %d, max_length: 64, validation_share: 0.05}";
    private static final int VQ_STEPS = 150;
    private static final int LM_STEPS = 80;
    /** Sums of some dozen fp32 terms of at most some ten. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    static Path folder;

    private static Path vq;

    @BeforeAll
    static void trainImageTokenizer() {
        vq = TinyRuns.train(vqRecipe("vq", VQ_STEPS)).folder();
    }

    private static Block recipe(String model, String run, String... more) {
        return TinyRuns.blockOf(
                model,
                folder,
                Stream.concat(
                                Stream.of(
                                        "warmup_steps=0",
                                        "weight_decay=0",
                                        "learning_rate=5e-3",
                                        "threads=1",
                                        "per_device_train_batch_size=16",
                                        "per_device_eval_batch_size=16",
                                        "output_dir=" + folder.resolve(run)),
                                Stream.of(more))
                        .toArray(String[]::new));
    }

    private static Block vqRecipe(String run, int steps, String... more) {
        List<String> all = new ArrayList<>(List.of(
                SHAPES.formatted(1000, 1).replace("max_length: 64", "max_length: 128"),
                "objective={type: vq_image, image_size: 12}",
                "max_steps=" + steps,
                "eval_steps=" + steps,
                "save_steps=" + steps));
        all.addAll(List.of(more));
        return recipe(VQ, run, all.toArray(String[]::new));
    }

    private static Block lmRecipe(String run, int steps, String... more) {
        List<String> all = new ArrayList<>(List.of(
                SHAPES.formatted(1000, 1),
                "tokenizer={type: bpe, vocab_size: 340}",
                "objective={type: image_tokens, image_tokenizer: %s}".formatted(vq),
                "max_steps=" + steps,
                "eval_steps=" + steps,
                "save_steps=" + steps));
        all.addAll(List.of(more));
        return recipe(LLAMA, run, all.toArray(String[]::new));
    }

    private static double metric(Path run, String name, int from, int to) {
        return MetricsLog.read(run).stream()
                .filter(line -> line.containsKey(name))
                .skip(from)
                .limit(to - from)
                .mapToDouble(line -> line.get(name))
                .average()
                .orElseThrow();
    }

    @Test
    void reconstructionsGetBetterAndCodesAreUsed() {
        double start = metric(vq, "reconstruction_loss", 0, 3);
        double end = metric(vq, "reconstruction_loss", VQ_STEPS - 3, VQ_STEPS);
        assertTrue(end < 0.5 * start, "from " + start + " to " + end);
        // Eight colours lie behind the shapes.
        assertTrue(metric(vq, "codebook_perplexity", VQ_STEPS - 3, VQ_STEPS) > 5);
        double usage = metric(vq, "codebook_usage", VQ_STEPS - 3, VQ_STEPS);
        assertTrue(usage > 0.2 && usage <= 1, "usage " + usage);
        try (LanguageModel saved = LanguageModel.load(vq, DType.FP32, Device.CPU)) {
            assertEquals(Task.IMAGE_TOKENS, saved.spec().task());
        }
    }

    @Test
    void aRunGoesOnAsItWouldHave() {
        Path whole = TinyRuns.train(vqRecipe("whole", 8, "save_steps=4")).folder();
        TinyRuns.trainUntil(vqRecipe("halves", 8, "save_steps=4"), 4);
        assertEquals(
                TinyRuns.metrics(whole),
                TinyRuns.metrics(TinyRuns.resume(folder.resolve("halves")).folder()));
    }

    private static CaptionedImages images(int pairs, long seed) {
        DataConfig config = DataConfig.files("x");
        Tokenizer tokenizer = Tokenizer.load(vq);
        List<Integer> all = new ArrayList<>();
        long[] starts = new long[pairs];
        quern.data.Shapes shapes = new quern.data.Shapes(seed);
        for (int i = 0; i < pairs; i++) {
            starts[i] = all.size();
            Arrays.stream(tokenizer.encode(shapes.caption(i))).forEach(all::add);
        }
        TokenStream stream = TokenStream.of(
                "shapes", all.stream().mapToInt(i -> i).toArray(), starts, 1, tokenizer.vocabularySize());
        return CaptionedImages.of(
                new Objective.Input(stream, tokenizer, config, 4, 1), SIDE, false, new VectorQuantizedImages().id());
    }

    private static float[] painted(CaptionedImages images, int from, int to) {
        float[] pixels = new float[(to - from) * images.values()];
        for (int i = from; i < to; i++) {
            images.paint(i, 5, pixels, (i - from) * images.values());
        }
        return pixels;
    }

    private static double distance(float[] a, float[] b, int at) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[at + i]) * (a[i] - b[at + i]);
        }
        return sum;
    }

    /** Codes and images of a folder are those of its model, bit by bit, and those of the model it is loaded as again. */
    @Test
    void aFolderEncodesAndDecodesAsItsModel() {
        CaptionedImages images = images(70, 9);
        float[] pixels = painted(images, 0, 70);
        try (ImageTokenizer tokenizer = ImageTokenizer.load(vq);
                ImageTokenizer again = ImageTokenizer.load(vq);
                LanguageModel model = LanguageModel.load(vq, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            assertEquals(new ImageTokenizer.Settings(SIDE, 3, CODES, PER_IMAGE), tokenizer.settings());
            int[] codes = tokenizer.encode(pixels);
            assertEquals(70 * PER_IMAGE, codes.length);
            assertArrayEquals(codes, again.encode(pixels));
            float[] decoded = tokenizer.decode(codes);
            assertArrayEquals(decoded, again.decode(codes));
            float[] first = Arrays.copyOf(pixels, 64 * images.values());
            Flow flow = model.network()
                    .infer(
                            new Flow().put("pixel_values", quern.tensor.Tensor.of(first, 64, 3, SIDE, SIDE)),
                            Pass.evaluation());
            assertArrayEquals(
                    IntStream.range(0, 64 * PER_IMAGE).mapToLong(i -> codes[i]).toArray(),
                    flow.get("codes").toLongs());
            float[] whole = flow.get("reconstruction").toFloats();
            for (int i = 0; i < whole.length; i++) {
                // The straight-through sum z + (e - z) rounds otherwise than e alone.
                assertEquals(whole[i], decoded[i], ROUNDING);
            }
            double share = 0;
            for (int i = 0; i < 70; i++) {
                float[] made = Arrays.copyOfRange(decoded, i * images.values(), (i + 1) * images.values());
                share += shareNearer(made, i, pixels, 70) / 70;
            }
            assertTrue(share < 0.15, "made again, an image is as far from itself as from a share of " + share);
        }
    }

    /** How many of the other images are nearer to {@code made} than image {@code own}, as a share; by chance half. */
    private static double shareNearer(float[] made, int own, float[] pixels, int images) {
        double distance = distance(made, pixels, own * made.length);
        int nearer = 0;
        for (int j = 0; j < images; j++) {
            nearer += distance(made, pixels, j * made.length) < distance ? 1 : 0;
        }
        return nearer / (images - 1.0);
    }

    @Test
    void aRowIsACaptionAndTheCodesOfItsImage() {
        Preparation p = Preparation.of(lmRecipe("rows", 20), note -> {});
        Tokenizer tokenizer = p.tokenizer();
        new ImageTokens().specialTokens().forEach(token -> assertTrue(tokenizer.has(token), token));
        int start = tokenizer.id(ImageTokens.START);
        int[] ids = ImageTokens.ids(tokenizer, CODES);
        Set<Integer> seen = new HashSet<>();
        for (long k = 0; k < 5; k++) {
            Batch batch = p.batches().batch(k);
            assertArrayEquals(batch.inputIds(), p.batches().batch(k).inputIds());
            for (int row = 0; row < batch.rows(); row++) {
                int from = row * batch.columns();
                int length = batch.lengths()[row];
                int[] all = Arrays.copyOfRange(batch.inputIds(), from, from + length);
                int[] labels = Arrays.copyOfRange(batch.labels(), from, from + length);
                assertArrayEquals(Arrays.copyOfRange(all, 1, length), Arrays.copyOf(labels, length - 1));
                int at = length - PER_IMAGE;
                assertEquals(start, all[at]);
                assertTrue(tokenizer.decode(Arrays.copyOf(all, at)).endsWith(" background"));
                for (int i = at; i < length; i++) {
                    int label = labels[i];
                    assertTrue(Arrays.stream(ids).anyMatch(id -> id == label));
                    seen.add(label);
                }
            }
        }
        assertTrue(seen.size() > 4, "codes " + seen);
    }

    /** The loss of a batch is 1/8 of its text tokens' mean and 7/8 of its image tokens'. */
    @Test
    void textAndImageAreWeighed() {
        Preparation p = Preparation.of(lmRecipe("weighed", 20), note -> {});
        Batch batch = p.batches().batch(0);
        int[] ids = ImageTokens.ids(p.tokenizer(), CODES);
        double[] sums = new double[2];
        int[] counts = new int[2];
        try (LanguageModel model = p.model();
                ObjectiveNetwork trained = p.network(model);
                Scope scope = Scope.open()) {
            Flow plain = TokenTensors.flow(batch, 1.0 / batch.countedTokens(), 1.0, Device.CPU);
            float[] logprobs = model.network()
                    .infer(plain, Pass.evaluation())
                    .get("logprobs")
                    .toFloats();
            for (int i = 0; i < logprobs.length; i++) {
                int label = batch.labels()[i];
                if (label != Batch.NOT_COUNTED) {
                    int kind = Arrays.stream(ids).anyMatch(id -> id == label) ? 1 : 0;
                    sums[kind] -= logprobs[i];
                    counts[kind]++;
                }
            }
            double expected = sums[0] / counts[0] / 8 + 7 * sums[1] / counts[1] / 8;
            // A share of a step's tokens is a share of its loss.
            for (double share : new double[] {1, 0.25}) {
                Flow flow = TokenTensors.flow(batch, share / batch.countedTokens(), 1.0, Device.CPU);
                double loss = trained.network()
                        .infer(flow, Pass.evaluation())
                        .get("loss")
                        .item();
                assertEquals(share * expected, loss, ROUNDING);
            }
        }
    }

    /** What is made of a caption is nearer to that caption's painting than to others'. */
    @Test
    void imagesOfCaptionsAreLikeTheirPaintings() {
        Path lm = TinyRuns.train(lmRecipe("lm", LM_STEPS)).folder();
        double start = metric(lm, "loss", 0, 3);
        double end = metric(lm, "loss", LM_STEPS - 3, LM_STEPS);
        assertTrue(end < 0.5 * start, "from " + start + " to " + end);
        assertEquals(vq, ModelFolder.find(lm).imageTokenizer().orElseThrow());
        int captions = 24;
        CaptionedImages images = images(captions, 77);
        quern.data.Shapes shapes = new quern.data.Shapes(77);
        float[] pixels = painted(images, 0, captions);
        Map<String, Object> greedy = new LinkedHashMap<>(Map.of("do_sample", false));
        double share = 0;
        try (LanguageModel model = LanguageModel.load(lm, DType.FP32, Device.CPU);
                ImageTokenizer codes = ImageTokenizer.load(vq)) {
            GenerationConfig config = model.generationConfig(greedy);
            ImageGenerator generator = new ImageGenerator(model, Tokenizer.load(lm), codes, config);
            assertEquals(SIDE, generator.side());
            for (int i = 0; i < captions; i++) {
                float[] made = generator.generate(shapes.caption(i));
                share += shareNearer(made, i, pixels, captions) / captions;
            }
            refused(
                    () -> new ImageGenerator(
                            model,
                            Tokenizer.load(lm),
                            codes,
                            config.with(Block.empty(Position.of("x")).with("stop_strings", List.of("a")))),
                    "an image is no text to stop in");
            refused(
                    () -> new ImageGenerator(model, Tokenizer.load(vq), codes, config),
                    "has no token <|startofimage|>");
        }
        // By chance it is half, with a standard deviation of √(1/12 / 24) = 0.06.
        assertTrue(share < 0.25, "a share of " + share + " of the others is nearer");
    }

    @Test
    void whatDoesNotFitIsRefused() {
        refused(
                () -> TinyRuns.train(vqRecipe("a", 8, "objective.image_size=16")),
                "images of 16 x 16 pixels in 3 colours");
        refused(() -> TinyRuns.train(vqRecipe("b", 8, "model.num_channels=1")), "made for 12 x 12 in 1");
        refused(() -> TinyRuns.train(vqRecipe("c", 8, "objective=causal_lm")), "vqvae has no head for causal_lm");
        refused(() -> TinyRuns.train(vqRecipe("d", 8, "model.patch_size=5")), "patches of 5 pixels don't fill");
        refused(
                () -> TinyRuns.train(
                        vqRecipe("e", 8, "data={source: null, path: %s}".formatted(folder.resolve("text.txt")))),
                "is no caption of a shape");
        refused(() -> Preparation.of(lmRecipe("f", 8, "data.max_length=9"), note -> {}), "no room for its caption");
        refused(() -> Preparation.of(lmRecipe("g", 8, "data.max_length=12"), note -> {}), "more than the 12");
        refused(
                () -> Preparation.of(lmRecipe("h", 8, "tokenizer.special_tokens=[\"<|endoftext|>\"]"), note -> {}),
                "the tokenizer has no token <|startofimage|>");
        refused(
                () -> Preparation.of(
                        lmRecipe("i", 8, "objective.image_tokenizer=" + folder.resolve("none")), note -> {}),
                "no such folder");
    }

    /** A caption says what its image is, so a part of it won't do; where it is not read, its length is of no account. */
    @Test
    void captionsThatAreTooLongAreLeftOutOrNotRead() {
        String[] drop = {"data.max_length=%d", "data.on_too_long=drop", "data.validation_share=0"};
        Preparation all = Preparation.of(lmRecipe("all", 8, "data.validation_share=0"), note -> {});
        assertEquals(0, all.batches().tooLong().orElseThrow().count());
        int longest = longest(all);
        drop[0] = drop[0].formatted(longest - 1);
        Preparation some = Preparation.of(lmRecipe("some", 8, drop), note -> {});
        TooLong told = some.batches().tooLong().orElseThrow();
        assertTrue(told.dropped() > 0 && told.dropped() < 1000, told.toString());
        assertEquals(1000, told.documents());
        assertEquals(1000 - told.dropped(), rows(some));
        assertEquals(longest - 1, longest(some));
        assertTrue(some.notices().stream().anyMatch(n -> n.endsWith("are left out")), some.notices()::toString);
        refused(
                () -> Preparation.of(lmRecipe("cut", 8, "data.on_too_long=truncate"), note -> {}),
                "choose one of error, drop");
        refused(
                () -> Preparation.of(vqRecipe("vqdrop", 8, "data.on_too_long=drop", "data.packing=false"), note -> {}),
                "has no effect");
        Preparation images = Preparation.of(vqRecipe("short", 8, "data.max_length=4"), note -> {});
        assertEquals(4, longest(images));
        assertArrayEquals(pixels(Preparation.of(vqRecipe("long", 8), note -> {})), pixels(images));
    }

    private static float[] pixels(Preparation p) {
        return ((Batch.Values.Floats) p.batches().batch(3).others().get("pixel_values")).values();
    }

    private static long rows(Preparation p) {
        return LongStream.range(0, p.batches().batchesPerEpoch())
                .map(i -> p.batches().batch(i).rows())
                .sum();
    }

    private static int longest(Preparation p) {
        return LongStream.range(0, p.batches().batchesPerEpoch())
                .mapToInt(
                        i -> Arrays.stream(p.batches().batch(i).lengths()).max().orElse(0))
                .max()
                .orElse(0);
    }

    private static void refused(Executable run, String part) {
        QuernException e = assertThrows(QuernException.class, run);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
