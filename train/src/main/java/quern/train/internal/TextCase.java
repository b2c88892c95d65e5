package quern.train.internal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import quern.data.Tokenizer;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.SafetensorsFile;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import tools.jackson.databind.JsonNode;

/** The files beside a golden case of a tokenizer: texts, read line by line, and the ids expected of them. */
record TextCase(GoldenCase golden) {
    private static final String TENSORS = "golden.safetensors";
    private static final String IDS = "ids";

    /** {@code case.json}, for messages. */
    Path file() {
        return golden.folder().resolve("case.json");
    }

    /** The text under a key. */
    String text(String key) {
        JsonNode value = golden.json().path(key);
        if (!value.isString()) {
            throw QuernException.badInput("%s: expected text under '%s'", file(), key);
        }
        return value.asString();
    }

    /** The lines of the file that a key names, without their newlines. */
    List<String> lines(String key) {
        String text = read(golden.folder().resolve(text(key)));
        // Only \n ends a line, and the one at the end of the file begins no further one.
        List<String> lines = List.of(text.split("\n", -1));
        return lines.getLast().isEmpty() ? lines.subList(0, lines.size() - 1) : lines;
    }

    /** The text of a file, which must be UTF-8. */
    static String read(Path file) {
        try {
            return Files.readString(file, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s: can't be read as UTF-8 text (%s); expected a file of the case"
                            .formatted(file, e.getClass().getSimpleName()),
                    e);
        }
    }

    /** How many ids differ from the expected ones when the lines are encoded one by one. */
    long differentIds(Tokenizer tokenizer, List<String> lines) {
        int[] found =
                tokenizer.encodeAll(lines).stream().flatMapToInt(Arrays::stream).toArray();
        long[] expected = expectedIds();
        int shared = Math.min(found.length, expected.length);
        long different =
                IntStream.range(0, shared).filter(i -> found[i] != expected[i]).count();
        return different + Math.max(found.length, expected.length) - shared;
    }

    /** The expected ids. */
    long[] expectedIds() {
        try (SafetensorsFile file = SafetensorsFile.open(golden.folder().resolve(TENSORS));
                Scope scope = Scope.open()) {
            if (!file.contains(IDS)) {
                throw QuernException.badInput("%s: no tensor '%s'; expected int64 [N]", file.path(), IDS);
            }
            SafetensorsFile.Entry entry = file.entry(IDS);
            DType dtype = DType.ofSafetensors(entry.dtype(), file.path().toString(), IDS);
            if (dtype != DType.INT64) {
                throw QuernException.badInput("%s: '%s' is %s; expected int64 [N]", file.path(), IDS, dtype);
            }
            return Tensor.copyOf(entry.bytes(), dtype, entry.shape()).toLongs();
        }
    }
}
