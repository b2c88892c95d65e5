package quern.data.corpus;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.testkit.ChildJvm;

/** A preparation that is killed goes on where it was, and ends in the same bytes. */
class KilledPreparationTest {
    private static final Duration LONGEST = Duration.ofSeconds(60);

    @TempDir
    private Path folder;

    private String recipe(String output) {
        return """
                sources: [{path: '%s/raw'}]
                stages:
                  - {type: length, min_words: 20}
                  - {type: repetition}
                  - {type: pii}
                tokenizer: {type: bpe, vocab_size: 300}
                output_dir: '%s/%s'
                threads: 2
                """.formatted(folder, folder, output);
    }

    @Test
    void aKilledPreparationEndsInTheSameBytes() throws IOException {
        Files.createDirectories(folder.resolve("raw"));
        for (int i = 0; i < 4; i++) {
            Corpora.tales(folder.resolve("raw/%d.jsonl.gz".formatted(i)), i, 0.25);
        }
        PrepareReport whole = CorpusPreparation.run(Corpora.recipe(recipe("whole")), line -> {});

        Path yaml = folder.resolve("recipe.yaml");
        Files.writeString(yaml, recipe("killed"));
        ChildJvm.Builder child = ChildJvm.of(PrepareChild.class, yaml.toString());
        for (String line : List.of("read:", "length:", "pii:", "documents:")) {
            try (ChildJvm running = child.start()) {
                running.awaitLine(text -> text.startsWith(line), LONGEST);
                running.kill();
                assertEquals(137, running.awaitExit(LONGEST).exitCode());
            }
        }
        ChildJvm.Result result = child.run(LONGEST);
        assertEquals(0, result.exitCode(), result.stderr());
        assertTrue(result.stdout().contains("pii: ") && result.stdout().contains("cached"), result.stdout());
        assertArrayEquals(Corpora.documents(folder.resolve("whole")), Corpora.documents(folder.resolve("killed")));
        for (String name : List.of("tokenizer.json")) {
            assertArrayEquals(
                    Files.readAllBytes(folder.resolve("whole").resolve(name)),
                    Files.readAllBytes(folder.resolve("killed").resolve(name)));
        }
        assertArrayEquals(tokens("whole"), tokens("killed"));
        assertTrue(whole.tokens().orElseThrow().train() > 0);
    }

    private byte[] tokens(String output) throws IOException {
        try (var files = Files.walk(folder.resolve(output).resolve("tokens"))) {
            java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
            for (Path file :
                    files.filter(f -> f.toString().endsWith(".bin")).sorted().toList()) {
                all.writeBytes(Files.readAllBytes(file));
            }
            assertTrue(all.size() > 0, "token shards are there");
            return all.toByteArray();
        }
    }
}
