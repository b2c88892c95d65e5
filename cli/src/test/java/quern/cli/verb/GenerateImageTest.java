package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** From two recipes to a picture of a caption: the VQ-VAE's, and that of the decoder that writes its codes. */
class GenerateImageTest {
    private static final String CAPTION = "a large red circle in the middle on a white background";
    private static final int SIDE = 12;
    private static final int CODES = 9;

    @TempDir
    static Path folder;

    private static Path vqRecipe;
    private static Path lmRecipe;
    private static String trained;

    @BeforeAll
    static void train() throws IOException {
        vqRecipe = recipe("vq", """
                model: {family: vqvae, image_size: 12, patch_size: 4, hidden_size: 8, num_hidden_layers: 1, num_embeddings: 12, embedding_dim: 4}
                tokenizer: char
                objective: {type: vq_image, image_size: 12}
                """);
        lmRecipe = recipe("lm", """
                model: {family: llama, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24, max_position_embeddings: 128}
                tokenizer: char
                objective: {type: image_tokens, image_tokenizer: %s}
                """.formatted(folder.resolve("vq")));
        PrintStream out = System.out;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
        try {
            Cli vq = Cli.run("train", vqRecipe.toString());
            assertEquals(0, vq.code(), vq.err());
        } finally {
            System.setOut(out);
        }
        trained = said.toString(StandardCharsets.UTF_8);
        Cli lm = Cli.run("train", lmRecipe.toString());
        assertEquals(0, lm.code(), lm.err());
    }

    private static Path recipe(String name, String own) throws IOException {
        return Files.writeString(folder.resolve(name + ".yaml"), own + """
                output_dir: %s
                data: {source: shapes, shapes_pairs: 40, validation_share: 0.1, max_length: 128}
                per_device_train_batch_size: 4
                max_steps: 3
                threads: 1
                """.formatted(folder.resolve(name)));
    }

    private static Cli generate(String model, String... more) {
        List<String> all =
                new ArrayList<>(List.of("generate", folder.resolve(model).toString()));
        all.addAll(List.of(more));
        return Cli.run(all.toArray(String[]::new));
    }

    private static BufferedImage image(Path file) throws IOException {
        BufferedImage image = ImageIO.read(file.toFile());
        assertEquals(SIDE, image.getWidth());
        assertEquals(SIDE, image.getHeight());
        return image;
    }

    @Test
    void aCaptionBecomesAPng() throws IOException {
        Path one = folder.resolve("one.png");
        Cli cli = generate("lm", "--prompt", CAPTION, "--image", one.toString(), "--seed", "3", "--json");
        assertEquals(0, cli.code(), cli.err());
        assertEquals(CAPTION, cli.json().path("prompt").asString());
        assertEquals(SIDE, cli.json().path("side").asInt());
        BufferedImage first = image(one);
        Path two = folder.resolve("two.png");
        Cli named = generate(
                "lm",
                "--prompt",
                CAPTION,
                "--image",
                two.toString(),
                "--seed",
                "3",
                "--image-tokenizer",
                folder.resolve("vq").toString());
        assertEquals(0, named.code(), named.err());
        assertTrue(named.out().contains("two.png: 12 x 12 pixels"), named.out());
        BufferedImage second = image(two);
        for (int i = 0; i < SIDE * SIDE; i++) {
            assertEquals(first.getRGB(i % SIDE, i / SIDE), second.getRGB(i % SIDE, i / SIDE), "one seed, one image");
        }
    }

    @Test
    void aTrainingOfImagesSaysWhatToDoNext() {
        assertTrue(trained.contains("an image"), trained);
        assertTrue(trained.contains("objective: {type: image_tokens, image_tokenizer: "), trained);
        assertFalse(trained.contains("quern chat"), trained);
    }

    @Test
    void aPlanShowsImagesAndCodes() {
        Cli images = Cli.run("plan", vqRecipe.toString(), "--show-batch");
        assertEquals(0, images.code(), images.err());
        assertTrue(images.out().contains("pixel_values: 3 x 12 x 12 numbers"), images.out());
        JsonNode row = Cli.run("plan", lmRecipe.toString(), "--show-batch", "--json")
                .json()
                .path("batch")
                .path(0);
        String inputs = String.join(
                "", row.path("inputs").valueStream().map(JsonNode::asString).toList());
        assertTrue(inputs.matches("a .* background<\\|startofimage\\|>(<\\|image_\\d+\\|>)+"), inputs);
        long codes = row.path("targets")
                .valueStream()
                .filter(target -> target.asString("").startsWith("<|image_"))
                .count();
        assertEquals(CODES, codes);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        String png = folder.resolve("no.png").toString();
        refused(generate("lm", "--image", png), "no prompt");
        refused(generate("lm", "--image", png, "--prompt", "a", "--prompt", "b"), "is made of one --prompt");
        refused(generate("lm", "--image", png, "--prompt", "a", "--suffix", "b"), "is made of one --prompt");
        refused(generate("lm", "--image", png, "--prompt", "a", "--max-new-tokens", "4"), "has no effect on an image");
        refused(generate("lm", "--image", png, "--prompt", "a", "--stop", "b"), "an image is no text to stop in");
        refused(generate("lm", "--prompt", "a", "--image-tokenizer", "vq"), "belongs to an image");
        refused(generate("vq", "--image", png, "--prompt", "a"), "no run of objective image_tokens");
        refused(
                generate(
                        "lm",
                        "--image",
                        png,
                        "--prompt",
                        "a",
                        "--image-tokenizer",
                        folder.resolve("lm").toString()),
                "holds a model of family llama");
        assertFalse(Files.exists(Path.of(png)));
    }

    private static void refused(Cli cli, String part) {
        assertEquals(2, cli.code(), cli.err());
        assertTrue(cli.error().contains(part), cli.err());
    }
}
