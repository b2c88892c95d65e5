package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.testkit.ChildJvm;
import quern.testkit.Faults;
import quern.testkit.FaultyFileSystem;
import quern.testkit.ProcessKiller;

/** A store appears whole or not at all: under every failing write, under kill -9, and with two processes at once. */
class TokenStoreFaultsTest {
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final int KILLS = 2;

    @TempDir
    Path folder;

    /** The characters of the tales need no training. */
    private static Tokenizer tokenizer() {
        return new CharacterTrainer()
                .train(List.of(new Tales(1).text(100_000)), CharacterTrainer.Config.defaults())
                .tokenizer();
    }

    /** Makes a store in the folder named first, of the megabytes named second. */
    public static final class Prepare {
        private Prepare() {}

        /** Entry point of the child process. */
        public static void main(String[] args) {
            TokenStore store = TokenStore.prepare(
                    DataConfig.tales(Double.parseDouble(args[1])), tokenizer(), Path.of(args[0]), System.out::println);
            System.out.println("store " + store.folder().getFileName());
        }
    }

    private static Map<String, String> content(Path store) throws IOException {
        Map<String, String> sums = new TreeMap<>();
        try (Stream<Path> files = Files.list(store)) {
            files.forEach(file -> sums.put(file.getFileName().toString(), DurableFiles.sha256(file)));
        }
        return sums;
    }

    private static List<Path> folders(Path cache) throws IOException {
        try (Stream<Path> files = Files.list(cache.resolve("tokens"))) {
            return files.filter(Files::isDirectory).toList();
        }
    }

    @Test
    void everyFailingWriteLeavesNoStore() throws IOException {
        Tokenizer tokenizer = tokenizer();
        DataConfig config = DataConfig.tales(0.02);
        Map<String, String> expected =
                content(TokenStore.prepare(config, tokenizer, folder.resolve("sound"), line -> {})
                        .folder());
        Faults faults = new Faults();
        try (FaultyFileSystem disk = new FaultyFileSystem(faults)) {
            TokenStore.prepare(config, tokenizer, disk.wrap(folder.resolve("counted")), line -> {});
            long changes = faults.changes();
            assertTrue(changes > 10, changes + " changes");
            int survived = 0;
            for (long n = 1; n <= changes; n++) {
                Path cache = folder.resolve("full" + n);
                Faults failing = new Faults().failNthChange(n, Faults.Error.ENOSPC);
                try (FaultyFileSystem full = new FaultyFileSystem(failing)) {
                    TokenStore.prepare(config, tokenizer, full.wrap(cache), line -> {});
                    survived++;
                } catch (QuernException error) {
                    assertEquals(ExitCode.REFUSED, error.exitCode(), error.getMessage());
                    assertEquals(1, error.getMessage().lines().count());
                }
                assertEquals(0, failing.openChannels(), "a file stayed open");
                assertEquals(
                        expected,
                        content(TokenStore.prepare(config, tokenizer, cache, line -> {})
                                .folder()));
            }
            // Files.createDirectories takes a first failure as a missing parent and tries again from there.
            assertTrue(survived <= 1, survived + " failed writes were not noticed");
        }
    }

    @Test
    void aKilledProcessLeavesNothingInTheWay() throws Exception {
        Tokenizer tokenizer = tokenizer();
        DataConfig config = DataConfig.tales(1);
        Path cache = folder.resolve("cache");
        for (int i = 0; i < KILLS; i++) {
            try (ChildJvm child =
                    ChildJvm.of(Prepare.class, cache.toString(), "1").start()) {
                // The temporary folder is there from the first byte to the rename.
                new ProcessKiller(new java.util.Random(i))
                        .when(child, () -> unfinished(cache), "a store in the making", PATIENCE);
            }
            assertTrue(unfinished(cache), "the kill came too late to leave anything");
        }
        TokenStore store = TokenStore.prepare(config, tokenizer, cache, line -> {});
        assertEquals(List.of(store.folder()), folders(cache));
        assertEquals(
                content(TokenStore.prepare(config, tokenizer, folder.resolve("sound"), line -> {})
                        .folder()),
                content(store.folder()));
    }

    private static boolean unfinished(Path cache) {
        try {
            return Files.isDirectory(cache.resolve("tokens"))
                    && folders(cache).stream().anyMatch(f -> f.toString().endsWith(".unfinished"));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void twoProcessesMakeOneStore() throws Exception {
        String cache = folder.resolve("cache").toString();
        try (ChildJvm one = ChildJvm.of(Prepare.class, cache, "1").start();
                ChildJvm two = ChildJvm.of(Prepare.class, cache, "1").start()) {
            ChildJvm.Result first = one.awaitExit(PATIENCE);
            ChildJvm.Result second = two.awaitExit(PATIENCE);
            assertEquals(0, first.exitCode(), first.stderr());
            assertEquals(0, second.exitCode(), second.stderr());
            String both = first.stdout() + second.stdout();
            List<String> stores =
                    both.lines().filter(line -> line.startsWith("store ")).toList();
            assertEquals(2, stores.size(), both);
            assertEquals(stores.getFirst(), stores.getLast());
            assertEquals(
                    1, both.lines().filter(line -> line.contains("documents:")).count(), both);
            assertEquals(1, folders(folder.resolve("cache")).size());
        }
    }
}
