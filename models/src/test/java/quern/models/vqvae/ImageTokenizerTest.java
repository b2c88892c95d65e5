package quern.models.vqvae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.models.LanguageModel;
import quern.models.LogitsProcessor;
import quern.models.ModelSpec;
import quern.models.SaveOptions;
import quern.models.SpecialTokens;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.testkit.RepositoryFiles;

/** Images as codes and back, by the golden models. */
class ImageTokenizerTest {
    private static final Path GOLDENS = RepositoryFiles.root().resolve("goldens");

    /** The straight-through sum z + (e - z) rounds otherwise than e alone, and a few layers follow. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    Path scratch;

    private static float[] pixels(ImageTokenizer.Settings settings, int images) {
        try (Scope scope = Scope.open()) {
            return Tensor.randn(new RandomStream(5), images, settings.values()).toFloats();
        }
    }

    @Test
    void codesAndImagesAreThoseOfTheModelAndOfItsSavedFolder() {
        for (String name : List.of("model-vqvae-normalized", "model-vqvae-plain")) {
            Path golden = GOLDENS.resolve(name);
            try (LanguageModel model = LanguageModel.load(golden, DType.FP32, Device.CPU);
                    ImageTokenizer tokenizer = ImageTokenizer.load(golden);
                    Scope scope = Scope.open()) {
                model.save(scratch.resolve(name), SaveOptions.DEFAULT);
                ImageTokenizer.Settings s = tokenizer.settings();
                float[] pixels = pixels(s, 5);
                int[] codes = tokenizer.encode(pixels);
                float[] images = tokenizer.decode(codes);
                assertEquals(5 * s.codesPerImage(), codes.length);
                assertEquals(pixels.length, images.length);
                try (ImageTokenizer saved = ImageTokenizer.load(scratch.resolve(name))) {
                    assertArrayEquals(codes, saved.encode(pixels));
                    assertArrayEquals(images, saved.decode(codes));
                }
                Tensor x = Tensor.of(pixels, 5, s.channels(), s.imageSize(), s.imageSize());
                Flow flow = model.network().infer(new Flow().put("pixel_values", x), Pass.evaluation());
                long[] own = flow.get("codes").toLongs();
                float[] made = flow.get("reconstruction").toFloats();
                for (int i = 0; i < codes.length; i++) {
                    assertEquals(own[i], codes[i]);
                    assertTrue(codes[i] >= 0 && codes[i] < s.codes());
                }
                for (int i = 0; i < made.length; i++) {
                    assertEquals(made[i], images[i], ROUNDING * Math.max(1, Math.abs(made[i])));
                }
            }
        }
    }

    /** What arrives at the quantized vectors goes on to the encoder as it is, and to the codebook not at all. */
    @Test
    void gradientsGoStraightThrough() {
        Path golden = GOLDENS.resolve("model-vqvae-plain");
        try (LanguageModel model = LanguageModel.load(golden, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            Tensor latents = Tensor.randn(new RandomStream(3), 2, 9, 3);
            Tensor cotangent = Tensor.randn(new RandomStream(4), 2, 9, 3);
            try (Tape tape = model.network()
                    .part(1, 2)
                    .forward(new Flow().put("latents", latents.requiresGrad_(true)), Pass.evaluation())) {
                tape.backward(java.util.Map.of("quantized", cotangent));
                model.parameters().stream()
                        .filter(p -> p.name().equals("quantizer.codebook"))
                        .forEach(p -> assertTrue(
                                !p.grad().isDefined() || p.grad().abs().max().item() == 0));
                assertArrayEquals(cotangent.toFloats(), tape.gradient("latents").toFloats());
            }
        }
    }

    @Test
    void anotherModelIsRefused() {
        QuernException e =
                assertThrows(QuernException.class, () -> ImageTokenizer.settings(GOLDENS.resolve("model-llama-mha")));
        assertTrue(e.getMessage().contains("holds a model of family llama; expected a vqvae"), e.getMessage());
        try (ImageTokenizer tokenizer = ImageTokenizer.load(GOLDENS.resolve("model-vqvae-plain"))) {
            assertThrows(IllegalArgumentException.class, () -> tokenizer.encode(new float[7]));
            assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(new int[7]));
            assertThrows(
                    IllegalArgumentException.class, () -> tokenizer.decode(new int[] {0, 0, 0, 0, 0, 0, 0, 0, 99}));
        }
    }

    @Test
    void aNewModelHasTheShapesOfItsSettings() {
        ModelSpec spec = ModelSpec.fromRecipe(
                RecipeFile.load("test", "{family: vqvae, image_size: 16, patch_size: 8, num_embeddings: 5}", List.of()),
                100,
                SpecialTokens.NONE);
        assertEquals("VqVaeModel", spec.architecture().name());
        assertArrayEquals(new long[] {5, 8}, spec.shapes().parameters().get("quantizer.codebook"));
        assertArrayEquals(new long[] {64, 3, 8, 8}, spec.shapes().parameters().get("encoder.patches.weight"));
        assertArrayEquals(new long[] {192, 64, 1, 1}, spec.shapes().parameters().get("decoder.patches.weight"));
        assertTrue(spec.family() instanceof Model);
    }

    @Test
    void onlySomeTokensMayBeChosen() {
        try (Scope scope = Scope.open()) {
            Tensor logits = Tensor.of(new float[] {5, 1, 4, 2, 9, 0, 7, 3}, 2, 4);
            float[] kept = LogitsProcessor.only(1, 3).apply(null, logits).toFloats();
            float none = Float.NEGATIVE_INFINITY;
            assertArrayEquals(new float[] {none, 1, none, 2, none, 0, none, 3}, kept);
        }
    }
}
