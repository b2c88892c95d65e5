package quern.curate;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import quern.recipe.Quoted;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsFile.Entry;
import quern.tensor.SafetensorsWriter;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A few rows that stand for a text: chosen ones, or learnt ones. A folder of two files, {@code set.safetensors} ({@code
 * input_ids} and {@code labels}, int32 [S, T]; of learnt rows also {@code inputs_embeds} [S, T, D], {@code soft_targets} [S,
 * T, V] and {@code token_vectors} [V, D], fp32) and {@code set.json}, which says how it was made.
 *
 * @param rows tokens and what each is to predict; of learnt rows the tokens nearest to the vectors and the likeliest targets
 * @param learnt what learnt rows are instead
 * @param tokenizer fingerprint of the tokenizer of the tokens
 * @param madeBy how it was made: the technique and its settings, for {@code set.json}
 */
public record SmallSet(TokenRows rows, Optional<Learnt> learnt, String tokenizer, Map<String, Object> madeBy) {
    /** The file of the rows. */
    static final String ROWS_FILE = "set.safetensors";

    /** The file that says how they were made. */
    static final String SETTINGS_FILE = "set.json";

    private static final int FORMAT = 1;

    /**
     * Vectors in the place of tokens, and probabilities in the place of the one right answer.
     *
     * @param vocabulary V
     * @param width D
     * @param vectors [S, T, D], what a model reads instead of its tokens' vectors
     * @param targets [S, T, V], the probabilities that a position is to predict
     * @param tokenVectors [V, D], the vectors of the tokens that these rows were learnt beside: a model that learns from
     *     them begins with this table
     */
    public record Learnt(int vocabulary, int width, float[] vectors, float[] targets, float[] tokenVectors) {}

    /** Takes a copy of the map. */
    public SmallSet {
        madeBy = new LinkedHashMap<>(madeBy);
        if (learnt.isPresent()) {
            Learnt own = learnt.get();
            long cells = rows.ids().length;
            if (own.vectors().length != cells * own.width()
                    || own.targets().length != cells * own.vocabulary()
                    || own.tokenVectors().length != (long) own.vocabulary() * own.width()) {
                throw new IllegalArgumentException(
                        "%d numbers of vectors, %d of targets, %d of token vectors for %d rows"
                                .formatted(
                                        own.vectors().length,
                                        own.targets().length,
                                        own.tokenVectors().length,
                                        rows.rows()));
            }
        }
    }

    /** Numbers that are stored for what a model learns from, the table of token vectors left out. */
    public long numbers() {
        return learnt.map(l -> (long) l.vectors().length + l.targets().length).orElse((long) rows.ids().length);
    }

    /** Writes the folder: all of it, or nothing. What stood there before is replaced. */
    void write(Path folder) {
        Path absolute = folder.toAbsolutePath();
        Path temp = absolute.resolveSibling("." + absolute.getFileName() + ".writing");
        try {
            DurableFiles.deleteTree(temp);
            Files.createDirectories(temp);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(temp, -1, e);
        }
        SafetensorsWriter.write(temp.resolve(ROWS_FILE), entries(), Map.of("format", "pt"));
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("format", FORMAT);
        settings.put("rows", rows.rows());
        settings.put("tokens_in_a_row", rows.columns());
        settings.put("numbers", numbers());
        settings.put("tokenizer", tokenizer);
        settings.put("sha256", DurableFiles.sha256(temp.resolve(ROWS_FILE)));
        settings.put("made_by", madeBy);
        String json = JsonMapper.shared().writerWithDefaultPrettyPrinter().writeValueAsString(settings) + "\n";
        DurableFiles.write(temp.resolve(SETTINGS_FILE), json.getBytes(StandardCharsets.UTF_8));
        DurableFiles.replaceDirectory(temp, absolute);
    }

    private List<Entry> entries() {
        long s = rows.rows();
        long t = rows.columns();
        List<Entry> entries = new ArrayList<>(List.of(
                FloatArrays.entry("input_ids", rows.ids(), s, t), FloatArrays.entry("labels", rows.labels(), s, t)));
        learnt.ifPresent(own -> {
            entries.add(FloatArrays.entry("inputs_embeds", own.vectors(), s, t, own.width()));
            entries.add(FloatArrays.entry("soft_targets", own.targets(), s, t, own.vocabulary()));
            entries.add(FloatArrays.entry("token_vectors", own.tokenVectors(), own.vocabulary(), own.width()));
        });
        return entries;
    }

    /**
     * Reads a folder.
     *
     * @throws QuernException bad input where it is no such folder, failed where its files are damaged
     */
    public static SmallSet read(Path folder) {
        Path settingsFile = folder.resolve(SETTINGS_FILE);
        Path rowsFile = folder.resolve(ROWS_FILE);
        if (!Files.isRegularFile(settingsFile)) {
            throw QuernException.badInput(
                    "%s: no %s in it; expected a small set, as quern data distill leaves them in its output_dir",
                    folder, SETTINGS_FILE);
        }
        JsonNode settings;
        try {
            settings = JsonMapper.shared().readTree(Files.readString(settingsFile));
        } catch (IOException | JacksonException e) {
            throw new QuernException(
                    quern.recipe.ExitCode.FAILED,
                    "%s: not readable as JSON (%s); the file is corrupt".formatted(settingsFile, Quoted.message(e)),
                    e);
        }
        if (settings.path("format").asInt(0) != FORMAT) {
            throw QuernException.failed(
                    "%s: format %s, expected %d; make the set again", settingsFile, settings.path("format"), FORMAT);
        }
        if (!DurableFiles.sha256(rowsFile).equals(settings.path("sha256").asString(""))) {
            throw QuernException.failed(
                    "%s: its checksum is not the one in %s; the file is corrupt, make the set again",
                    rowsFile, SETTINGS_FILE);
        }
        try (SafetensorsFile file = SafetensorsFile.open(rowsFile)) {
            Entry ids = file.entry("input_ids");
            TokenRows rows = new TokenRows(
                    Math.toIntExact(ids.shape()[0]),
                    Math.toIntExact(ids.shape()[1]),
                    FloatArrays.ints(ids),
                    FloatArrays.ints(file.entry("labels")));
            Optional<Learnt> learnt = file.contains("inputs_embeds")
                    ? Optional.of(new Learnt(
                            Math.toIntExact(file.entry("token_vectors").shape()[0]),
                            Math.toIntExact(file.entry("token_vectors").shape()[1]),
                            FloatArrays.floats(file.entry("inputs_embeds")),
                            FloatArrays.floats(file.entry("soft_targets")),
                            FloatArrays.floats(file.entry("token_vectors"))))
                    : Optional.empty();
            @SuppressWarnings("unchecked")
            Map<String, Object> madeBy = JsonMapper.shared().convertValue(settings.path("made_by"), Map.class);
            return new SmallSet(rows, learnt, settings.path("tokenizer").asString(""), madeBy);
        }
    }
}
