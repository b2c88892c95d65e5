package quern.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs the project's shell scripts in folders made for a test, with an environment of the test's own. */
final class Bash {
    static final Path ROOT = Path.of(System.getProperty("quern.root"));
    private static final int LIMIT_SECONDS = 120;

    /** What a process left. */
    record Result(int code, String out, String err, long pid) {}

    private Bash() {}

    static Process start(Path folder, Map<String, String> environment, List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().clear();
        builder.environment().putAll(environment);
        builder.redirectOutput(Files.createTempFile(folder, "stdout", ".txt").toFile());
        builder.redirectError(Files.createTempFile(folder, "stderr", ".txt").toFile());
        Process process = builder.start();
        process.getOutputStream().close();
        FILES.put(process.pid(), new Path[] {
            builder.redirectOutput().file().toPath(),
            builder.redirectError().file().toPath()
        });
        return process;
    }

    private static final Map<Long, Path[]> FILES = new java.util.concurrent.ConcurrentHashMap<>();

    static Result end(Process process) throws IOException, InterruptedException {
        boolean ended = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly();
        }
        Path[] files = FILES.remove(process.pid());
        String out = Files.readString(files[0], StandardCharsets.UTF_8);
        String err = Files.readString(files[1], StandardCharsets.UTF_8);
        assertTrue(ended, "did not end: " + out + err);
        Files.delete(files[0]);
        Files.delete(files[1]);
        return new Result(process.exitValue(), out, err, process.pid());
    }

    static Result run(Path folder, Map<String, String> environment, String... command)
            throws IOException, InterruptedException {
        return end(start(folder, environment, List.of(command)));
    }

    static Path executable(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        return file;
    }
}
