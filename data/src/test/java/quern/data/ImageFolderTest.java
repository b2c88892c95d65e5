package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;

/** Folders of images with captions: which image belongs to which caption, and what becomes of bad ones. */
class ImageFolderTest {
    private static final int SIDE = 8;
    private static final Tokenizer CHARACTERS = Tokenizer.of(new CharacterTrainer()
            .train(
                    List.of("abcdefghijklmnopqrstuvwxyz 0123456789"),
                    new CharacterTrainer.Config("<unk>", 1000, List.of("<|endoftext|>"))));

    /** A JPEG of one colour is off by a few of 255. */
    private static final double JPEG = 0.03;

    @TempDir
    Path folder;

    private static void image(Path file, String kind, int width, int height, Color color) throws IOException {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, color.getRGB());
            }
        }
        Files.createDirectories(file.getParent());
        assertTrue(ImageIO.write(image, kind, file.toFile()));
    }

    private static Color color(int i) {
        return new Color(10 * i % 256, 255 - 7 * i % 256, 31 * i % 256);
    }

    private DataConfig config(double share) {
        return Block.empty(Position.of("data"))
                .with("image_folder", folder.toString())
                .with("validation_share", share)
                .bind(DataConfig.class);
    }

    private Objective.Input input(DataConfig config, boolean validation) {
        TokenStore store = TokenStore.prepare(config, CHARACTERS, folder.resolveSibling("cache"), note -> {});
        return new Objective.Input(validation ? store.validation() : store.train(), CHARACTERS, config, 4, 7);
    }

    private static String caption(CaptionedImages images, long number) {
        return CHARACTERS.decode(images.caption(number));
    }

    private static float[] pixels(CaptionedImages images, long number) {
        float[] pixels = new float[images.values()];
        images.paint(number, 0, pixels, 0);
        return pixels;
    }

    private static void assertColor(Color color, float[] pixels, double tolerance) {
        int[] expected = {color.getRed(), color.getGreen(), color.getBlue()};
        for (int i = 0; i < pixels.length; i++) {
            assertEquals(2 * expected[i / (SIDE * SIDE)] / 255.0 - 1, pixels[i], tolerance);
        }
    }

    @Test
    void everyCaptionHasItsImageInBothParts() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            String kind = i % 2 == 0 ? "png" : "jpg";
            String name = "deep/%02d.%s".formatted(i, kind);
            image(folder.resolve(name), kind, 20 + i, 14, color(i));
            lines.add("{\"file_name\": \"%s\", \"text\": \"image %d\"}".formatted(name, i));
        }
        Files.write(folder.resolve("metadata.jsonl"), lines);
        List<String> seen = new ArrayList<>();
        for (boolean validation : new boolean[] {false, true}) {
            CaptionedImages images = CaptionedImages.of(input(config(0.25), validation), SIDE, validation, "test");
            assertEquals(validation ? 5 : 15, images.count());
            for (long n = 0; n < images.count(); n++) {
                String caption = caption(images, n);
                int i = Integer.parseInt(caption.substring("image ".length()));
                assertColor(color(i), pixels(images, n), i % 2 == 0 ? 1e-6 : JPEG);
                seen.add(caption);
            }
        }
        assertEquals(20, seen.stream().distinct().count());
    }

    @Test
    void aTextBesideAnImageIsItsCaption() throws IOException {
        for (int i = 0; i < 4; i++) {
            image(folder.resolve(i + ".png"), "png", 9, 9, color(i));
            Files.writeString(folder.resolve(i + ".txt"), "image " + i + "\n");
        }
        image(folder.resolve("5.png"), "png", 9, 9, color(5));
        DataConfig config = config(0);
        Objective.Input input = input(config, false);
        CaptionedImages images = CaptionedImages.of(input, SIDE, false, "test");
        assertEquals(4, images.count());
        for (int i = 0; i < 4; i++) {
            assertEquals("image " + i, caption(images, i));
            assertColor(color(i), pixels(images, i), 1e-6);
        }
        TokenStore store = TokenStore.prepare(config, CHARACTERS, folder.resolveSibling("cache"), note -> {});
        assertEquals(1, store.report().rejectedRows());
        assertTrue(store.report().rejections().getFirst().contains("no caption beside the image"));
        Batch batch = images.pairs().batch(0);
        assertEquals(4, batch.rows());
        assertArrayEquals(
                new int[] {4, 3, SIDE, SIDE}, batch.others().get("pixel_values").shape());
        // 9 characters and the end of the text.
        assertArrayEquals(new int[] {8, 8, 8, 8}, batch.lengths());
    }

    @Test
    void damagedImagesAreLeftOutAndCounted() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            image(folder.resolve(i + ".png"), "png", 30, 30, color(i));
            lines.add("{\"file_name\": \"%d.png\", \"text\": \"image %d\"}".formatted(i, i));
        }
        byte[] whole = Files.readAllBytes(folder.resolve("1.png"));
        Files.write(folder.resolve("1.png"), Arrays.copyOf(whole, whole.length / 2));
        Files.writeString(folder.resolve("2.png"), "no image at all");
        Files.write(folder.resolve("4.png"), hugePng());
        lines.add("{\"file_name\": \"missing.png\", \"text\": \"nothing\"}");
        lines.add("{\"file_name\": \"0.png\"}");
        lines.add("{\"file_name\": ");
        Files.write(folder.resolve("metadata.jsonl"), lines);
        DataConfig config = config(0);
        TokenStore store = TokenStore.prepare(config, CHARACTERS, folder.resolveSibling("cache"), note -> {});
        assertEquals(3, store.report().rejectedRows());
        CaptionedImages images = CaptionedImages.of(input(config, false), SIDE, false, "test");
        assertEquals(3, images.count());
        assertEquals(
                List.of("image 0", "image 3", "image 5"),
                List.of(caption(images, 0), caption(images, 1), caption(images, 2)));
        assertColor(color(5), pixels(images, 2), 1e-6);
        assertEquals(1, images.notices().size());
        assertTrue(
                images.notices().getFirst().startsWith("3 rows left out: an image that can't be read"),
                images.notices()::toString);
    }

    /** A PNG whose header speaks of 60,000 x 60,000 pixels. */
    private static byte[] hugePng() throws IOException {
        Path small = Files.createTempFile("small", ".png");
        image(small, "png", 2, 2, Color.RED);
        byte[] png = Files.readAllBytes(small);
        Files.delete(small);
        java.nio.ByteBuffer bytes = java.nio.ByteBuffer.wrap(png);
        bytes.putInt(16, 60_000).putInt(20, 60_000);
        CRC32 crc = new CRC32();
        crc.update(png, 12, 17);
        bytes.putInt(29, (int) crc.getValue());
        return png;
    }

    @Test
    void namesThatLeaveTheFolderAreRefused() throws IOException {
        Path inside = Files.createDirectory(folder.resolve("inside"));
        image(folder.resolve("outside.png"), "png", 4, 4, Color.RED);
        for (String name :
                List.of("../outside.png", folder.resolve("outside.png").toString(), "../none.png")) {
            Files.writeString(
                    inside.resolve("metadata.jsonl"), "{\"file_name\": \"%s\", \"text\": \"a\"}\n".formatted(name));
            refused(inside, "lies outside the folder; name images inside it");
        }
        Files.createSymbolicLink(inside.resolve("link.png"), folder.resolve("outside.png"));
        Files.writeString(inside.resolve("metadata.jsonl"), "{\"file_name\": \"link.png\", \"text\": \"a\"}\n");
        refused(inside, "lies outside the folder");
        Files.delete(inside.resolve("metadata.jsonl"));
        Files.writeString(inside.resolve("link.txt"), "a");
        refused(inside, "is a link to a file outside the folder");
    }

    private static void refused(Path folder, String part) {
        DataConfig config = Block.empty(Position.of("data"))
                .with("image_folder", folder.toString())
                .bind(DataConfig.class);
        QuernException e = assertThrows(QuernException.class, () -> Documents.open(config));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void whatIsNoFolderOfImagesIsRefused() throws IOException {
        refused(folder.resolve("nowhere"), "no such folder");
        refused(folder, "0 images with captions, and two or more are needed");
        for (String key : List.of("path", "source")) {
            Block both = Block.empty(Position.of("data"))
                    .with("image_folder", folder.toString())
                    .with(key, key.equals("path") ? List.of("a.txt") : "shapes");
            QuernException e = assertThrows(QuernException.class, () -> both.bind(DataConfig.class));
            assertTrue(e.getMessage().contains("so %s is not for it".formatted(key)), e.getMessage());
        }
        for (int i = 0; i < 3; i++) {
            Files.writeString(folder.resolve(i + ".png"), "no image");
            Files.writeString(folder.resolve(i + ".txt"), "image " + i);
        }
        QuernException none = assertThrows(
                QuernException.class, () -> CaptionedImages.of(input(config(0), false), SIDE, false, "test"));
        assertTrue(none.getMessage().contains("none of 3 images can be read"), none.getMessage());
    }

    @Test
    void imagesAreCutToTheirMiddleAndResized() throws Exception {
        Path file = folder.resolve("wide.png");
        BufferedImage image = new BufferedImage(40, 16, BufferedImage.TYPE_INT_ARGB);
        for (int y = 0; y < 16; y++) {
            for (int x = 12; x < 28; x++) {
                // The left half of the middle is blue, the right half transparent, which lies on white.
                image.setRGB(x, y, x < 20 ? 0xff0000ff : 0);
            }
        }
        ImageIO.write(image, "png", file.toFile());
        byte[] pixels = ImageFiles.read(file, 4);
        for (int i = 0; i < pixels.length; i++) {
            boolean blue = i / 16 == 2;
            int x = i % 4;
            int value = pixels[i] & 0xff;
            if (x == 0 || x == 3) {
                assertEquals(blue || x == 3 ? 255 : 0, value);
            }
        }
        float[] same = new float[3 * 16];
        for (int i = 0; i < same.length; i++) {
            same[i] = 2 * (pixels[i] & 0xff) / 255f - 1;
        }
        ImageFiles.writePng(folder.resolve("again.png"), same, 4);
        assertArrayEquals(pixels, ImageFiles.read(folder.resolve("again.png"), 4), "a PNG keeps every value");
        assertEquals(Optional.empty(), config(0).source());
    }
}
