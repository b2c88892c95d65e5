package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Finding and replaying golden cases. */
class GoldensTest {
    @TempDir
    Path folder;

    /** Adds the numbers under {@code terms} and compares with {@code expected}. */
    public static final class SumReplay implements GoldenReplay {
        @Override
        public String kind() {
            return "sum";
        }

        @Override
        public List<GoldenCheck> replay(GoldenCase golden) {
            double sum = 0;
            for (var term : golden.json().path("terms")) {
                sum += term.asDouble();
            }
            double error = Math.abs(sum - golden.json().path("expected").asDouble());
            return List.of(GoldenCheck.of("sum", error, golden.tolerance("sum")));
        }
    }

    /** Claims a kind that is taken. */
    public static final class OtherSumReplay implements GoldenReplay {
        @Override
        public String kind() {
            return "sum";
        }

        @Override
        public List<GoldenCheck> replay(GoldenCase golden) {
            return List.of();
        }
    }

    private Path write(String path, String json) throws IOException {
        Path file = folder.resolve(path).resolve("case.json");
        Files.createDirectories(file.getParent());
        return Files.writeString(file, json);
    }

    @Test
    void findsCasesAtAnyDepthAndReplaysThem() throws IOException {
        write("b/deep", "{\"kind\":\"sum\",\"name\":\"off\",\"terms\":[1,2],\"expected\":4,\"tolerance\":0.5}");
        write("a", "{\"kind\":\"sum\",\"name\":\"fits\",\"terms\":[1,2],\"expected\":3,\"tolerance\":{\"sum\":0}}");
        List<GoldenCase> cases = Goldens.find(List.of(folder, folder.resolve("a")));
        assertEquals(
                List.of("fits", "off"), cases.stream().map(GoldenCase::name).toList());
        List<GoldenResult> results = Goldens.replayAll(cases);
        assertEquals(
                List.of(
                        new GoldenResult("sum", "fits", List.of(new GoldenCheck("sum", 0, 0, true)), true),
                        new GoldenResult("sum", "off", List.of(new GoldenCheck("sum", 1, 0.5, false)), false)),
                results);
    }

    @Test
    void aLinkedFolderIsSearched() throws IOException {
        write("real/a", "{\"kind\":\"sum\",\"name\":\"n\",\"tolerance\":0}");
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("real"));
        assertEquals(link.resolve("a"), Goldens.find(List.of(link)).getFirst().folder());
    }

    @Test
    void aFolderCanBeACase() throws IOException {
        write("", "{\"kind\":\"sum\",\"name\":\"n\",\"tolerance\":0}");
        assertEquals(1, Goldens.find(List.of(folder)).size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"kind\":\"sum\" | not valid JSON",
                "`` | expected a JSON object",
                "[1] | expected a JSON object",
                "{} {} | not valid JSON",
                "{\"kind\":\"sum\",\"kind\":\"sum\",\"name\":\"n\"} | not valid JSON",
                "{\"kind\":\"sum\"} | expected text under 'name'",
                "{\"kind\":3,\"name\":\"n\"} | expected text under 'kind'",
            })
    void aBadCaseIsBadInput(String json, String expected) throws IOException {
        Path file = write("bad", json);
        QuernException refused = assertThrows(QuernException.class, () -> Goldens.find(List.of(folder)));
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertTrue(refused.getMessage().startsWith(file + ": " + expected), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }

    @Test
    void anUnknownKindIsReportedBeforeAnythingRuns() throws IOException {
        write("a", "{\"kind\":\"sum\",\"name\":\"no tolerance\"}");
        Path file = write("b", "{\"kind\":\"summ\",\"name\":\"n\"}");
        QuernException refused =
                assertThrows(QuernException.class, () -> Goldens.replayAll(Goldens.find(List.of(folder))));
        assertEquals(file + ": unknown kind 'summ' (did you mean 'sum'?); known: sum", refused.getMessage());
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
    }

    @Test
    void missingAndCaselessFoldersAreBadInput() throws IOException {
        QuernException none = assertThrows(QuernException.class, () -> Goldens.find(List.of(folder)));
        assertEquals(folder + ": no golden case in it; a case is a folder with case.json", none.getMessage());
        Path missing = folder.resolve("missing");
        QuernException gone = assertThrows(QuernException.class, () -> Goldens.find(List.of(missing)));
        assertTrue(gone.getMessage().startsWith(missing + ": no such folder"), gone.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {"{\"loss\":1}", "-1", "1e999", "\"1\"", "null", "{\"sum\":\"x\"}"})
    void aToleranceMustBeANumberOfZeroOrMore(String tolerance) throws IOException {
        write("a", "{\"kind\":\"sum\",\"name\":\"n\",\"tolerance\":%s}".formatted(tolerance));
        GoldenCase golden = Goldens.find(List.of(folder)).getFirst();
        QuernException refused = assertThrows(QuernException.class, () -> golden.tolerance("sum"));
        assertTrue(refused.getMessage().contains("'tolerance' has no number for 'sum'"), refused.getMessage());
    }

    @Test
    void aReplayWithoutChecksProvesNothing() throws IOException {
        write("a", "{\"kind\":\"sum\",\"name\":\"n\"}");
        List<GoldenCase> cases = Goldens.find(List.of(folder));
        QuernException refused = assertThrows(
                QuernException.class,
                () -> Goldens.replayAll(cases, Map.of("sum", new OtherSumReplay()), result -> {}));
        assertTrue(refused.getMessage().endsWith("holds nothing to check"), refused.getMessage());
    }

    @Test
    void anErrorThatIsNotANumberFailsAndIsTheWorst() {
        GoldenCheck nan = GoldenCheck.of("nan", Double.NaN, 1);
        GoldenCheck near = GoldenCheck.of("near", 0.9, 1);
        GoldenCheck exact = GoldenCheck.of("exact", 0, 0);
        GoldenCheck over = GoldenCheck.of("over", 2, 1);
        assertFalse(nan.ok());
        assertEquals(near, new GoldenResult("k", "n", List.of(exact, near), true).worst());
        assertEquals(nan, new GoldenResult("k", "n", List.of(near, over, nan), false).worst());
        assertEquals(over, new GoldenResult("k", "n", List.of(near, over), false).worst());
    }

    @Test
    void twoReplaysOfOneKindAreRefused() throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(GoldenReplay.class.getName()), OtherSumReplay.class.getName());
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
            QuernException refused = assertThrows(QuernException.class, () -> Goldens.replays(loader));
            assertTrue(refused.getMessage().startsWith("two providers replay golden kind 'sum'"));
        }
    }
}
