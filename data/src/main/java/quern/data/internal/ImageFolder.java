package quern.data.internal;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import quern.data.DataConfig;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A folder of PNG and JPEG images with captions: a {@code metadata.jsonl} with {@code file_name} and the caption's key in each line,
 * as Hugging Face's imagefolder has it, or without one a {@code .txt} beside each image. What has no image or no caption is left
 * out and counted; whether images can be read shows when they are.
 */
public final class ImageFolder {
    private static final String METADATA = "metadata.jsonl";
    private static final String FILE_NAME = "file_name";
    private static final List<String> ENDINGS = List.of(".png", ".jpg", ".jpeg");
    /** Characters of a line of the metadata, and bytes of a caption's file. */
    private static final int LONGEST_TEXT = 1 << 20;

    private final Path folder;
    private final String field;
    private final List<Row> rows = new ArrayList<>();
    private final Rejections rejections = new Rejections();

    /**
     * An image with its caption.
     *
     * @param origin the file that has the caption
     * @param line its line, from 1; 0 where the file is the caption
     */
    public record Row(Path image, String name, String caption, String origin, long line) {}

    private ImageFolder(Path folder, String field) {
        this.folder = folder;
        this.field = field;
    }

    /**
     * Lists a folder; no image is opened.
     *
     * @throws QuernException bad input where there is no such folder, fewer than two images have captions, or a name leaves the
     *     folder
     */
    public static ImageFolder open(DataConfig config) {
        Path folder = Path.of(config.imageFolder().orElseThrow());
        if (!Files.isDirectory(folder)) {
            throw QuernException.badInput(
                    "data.image_folder: %s: no such folder; name one that holds images and captions", folder);
        }
        ImageFolder all = new ImageFolder(folder, config.field());
        try {
            if (Files.isRegularFile(folder.resolve(METADATA))) {
                all.readMetadata(folder.resolve(METADATA));
            } else {
                all.readPairs();
            }
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, "%s: can't be read (%s)".formatted(folder, e.getMessage()), e);
        }
        if (all.rows.size() < 2) {
            throw QuernException.badInput(
                    "data.image_folder: %s: %d images with captions, and two or more are needed; give a %s with file_name and %s in each line, or a .txt beside each image%s",
                    folder,
                    all.rows.size(),
                    METADATA,
                    config.field(),
                    all.rejections.rows() == 0 ? "" : " (" + String.join("; ", all.rejections.lines()) + ")");
        }
        return all;
    }

    /** The images with captions, in order. */
    public List<Row> rows() {
        return rows;
    }

    /** What was left out. */
    public Rejections rejections() {
        return rejections;
    }

    /** Tells apart folders whose images or captions differ by name or text. */
    public String fingerprint() {
        Hash hash = new Hash().add(folder.toAbsolutePath().normalize()).add(rows.size());
        rows.forEach(row -> hash.add(row.name()).add(row.caption()));
        return hash.hex();
    }

    private void readMetadata(Path file) throws IOException {
        Path inside = folder.toRealPath();
        JsonMapper json = JsonMapper.shared();
        long number = 0;
        try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                number++;
                String place = file + ":" + number;
                if (line.isBlank()) {
                    continue;
                }
                JsonNode row = line.length() > LONGEST_TEXT ? null : parsed(json, line);
                if (row == null || !row.isObject()) {
                    rejections.add("no JSON object of at most 1 MB", place);
                    continue;
                }
                String name = row.path(FILE_NAME).asString("");
                String caption = row.path(field).asString("").strip();
                if (name.isEmpty() || caption.isEmpty()) {
                    rejections.add("no %s or no %s".formatted(FILE_NAME, field), place);
                    continue;
                }
                Path image = within(inside, name, place);
                if (image == null) {
                    rejections.add("no such image", place);
                } else if (!isImage(image)) {
                    rejections.add("neither a .png nor a .jpg", place);
                } else {
                    rows.add(new Row(image, name, caption, file.toString(), number));
                }
            }
        } catch (MalformedInputException e) {
            throw new QuernException(
                    ExitCode.FAILED, "%s:%d: not UTF-8 text; the file is corrupt".formatted(file, number + 1), e);
        }
    }

    private static JsonNode parsed(JsonMapper json, String line) {
        try {
            return json.readTree(line);
        } catch (JacksonException e) {
            return null;
        }
    }

    /** The image of that name; null where there is none. */
    private Path within(Path inside, String name, String place) throws IOException {
        Path named;
        try {
            named = folder.resolve(name);
        } catch (InvalidPathException e) {
            return null;
        }
        Path lexical = inside.resolve(name).normalize();
        boolean there = lexical.startsWith(inside) && Files.isRegularFile(named);
        if (!lexical.startsWith(inside) || there && !named.toRealPath().startsWith(inside)) {
            throw QuernException.badInput(
                    "%s: %s: '%s' lies outside the folder; name images inside it", place, FILE_NAME, name);
        }
        return there ? named : null;
    }

    private void readPairs() throws IOException {
        Path inside = folder.toRealPath();
        List<Path> images;
        try (Stream<Path> all = Files.walk(folder)) {
            images = all.filter(ImageFolder::isImage)
                    .filter(Files::isRegularFile)
                    .sorted()
                    .toList();
        }
        for (Path image : images) {
            String name = folder.relativize(image).toString();
            Path text = image.resolveSibling(stem(image) + ".txt");
            if (!image.toRealPath().startsWith(inside)
                    || Files.exists(text) && !text.toRealPath().startsWith(inside)) {
                throw QuernException.badInput("%s: is a link to a file outside the folder; leave it out", image);
            }
            if (!Files.isRegularFile(text)) {
                rejections.add("no caption beside the image", image.toString());
                continue;
            }
            String caption = Files.size(text) > LONGEST_TEXT ? "" : caption(text);
            if (caption.isEmpty()) {
                rejections.add("a caption that is empty, over 1 MB or not UTF-8", text.toString());
            } else {
                rows.add(new Row(image, name, caption, text.toString(), 0));
            }
        }
    }

    private static String caption(Path text) throws IOException {
        try {
            return Files.readString(text, StandardCharsets.UTF_8).strip();
        } catch (MalformedInputException e) {
            return "";
        }
    }

    private static boolean isImage(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return ENDINGS.stream().anyMatch(name::endsWith);
    }

    private static String stem(Path image) {
        String name = image.getFileName().toString();
        return name.substring(0, name.lastIndexOf('.'));
    }
}
