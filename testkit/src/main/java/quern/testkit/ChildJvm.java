package quern.testkit;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A child process, mostly a JVM with the repository's {@code jvm.args} and the class path of the running tests, whose
 * output is captured and that can be killed at any moment. Closing it kills it and its descendants.
 */
public final class ChildJvm implements AutoCloseable {
    private static final Duration END_OF_OUTPUT = Duration.ofSeconds(10);
    private static final long SIGINT_BIT = 1 << 1;
    private static final List<String> HEARS_INTERRUPTS = List.of("env", "--default-signal=INT");

    private final Process process;
    private final Output stdout;
    private final Output stderr;
    private final Thread[] readers;

    private ChildJvm(Process process) {
        this.process = process;
        stdout = new Output();
        stderr = new Output();
        readers = new Thread[] {
            reader(process.getInputStream(), stdout, "stdout"), reader(process.getErrorStream(), stderr, "stderr")
        };
    }

    /** How a child ended. The code is 128 plus the signal's number where a signal ended it: 137 for kill -9. */
    public record Result(int exitCode, String stdout, String stderr) {}

    /** A child JVM that runs the main method of a class on this JVM's class path. */
    public static Builder of(Class<?> main, String... args) {
        return new Builder(main.getName(), List.of(args));
    }

    /** Any command, such as the repository's launcher; {@code jvmArg} does not apply to it. */
    public static Builder ofCommand(String... command) {
        return new Builder(null, List.of(command));
    }

    /** What a child is started with. */
    public static final class Builder {
        private final String main;
        private final List<String> args;
        private final List<String> jvmArgs = new ArrayList<>();
        private final Map<String, String> environment = new LinkedHashMap<>();
        private Path directory;
        private SmallDisk disk;

        private Builder(String main, List<String> args) {
            this.main = main;
            this.args = args;
        }

        /** Adds options of the JVM, after those of {@code jvm.args}: {@code -Xmx256m}, {@code -Dname=value}. */
        public Builder jvmArgs(String... options) {
            if (main == null) {
                throw new IllegalStateException("JVM options cannot be added to a command; put them into it");
            }
            jvmArgs.addAll(Arrays.asList(options));
            return this;
        }

        /** Sets an environment variable, or removes it where the value is null. */
        public Builder environment(String name, String value) {
            environment.put(name, value);
            return this;
        }

        /** The working directory; this process's own unless set. */
        public Builder directory(Path directory) {
            this.directory = directory;
            return this;
        }

        /** Runs the child where it sees this disk. */
        public Builder on(SmallDisk disk) {
            this.disk = disk;
            return this;
        }

        /** The whole command line. */
        public List<String> command() {
            List<String> command = new ArrayList<>();
            if (disk != null) {
                command.addAll(disk.enter(directory == null ? Path.of("") : directory));
            }
            if (main == null) {
                command.addAll(args);
                return command;
            }
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.add("@" + RepositoryFiles.root().resolve("jvm.args"));
            command.addAll(jvmArgs);
            command.add("-cp");
            command.add(testClassPath());
            command.add(main);
            command.addAll(args);
            return command;
        }

        /** Starts the child. Standard input is empty. */
        public ChildJvm start() {
            List<String> command = new ArrayList<>(ignoresInterrupts() ? HEARS_INTERRUPTS : List.of());
            command.addAll(command());
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")));
            if (directory != null) {
                builder.directory(directory.toFile());
            }
            environment.forEach((name, value) -> {
                if (value == null) {
                    builder.environment().remove(name);
                } else {
                    builder.environment().put(name, value);
                }
            });
            try {
                return new ChildJvm(builder.start());
            } catch (IOException e) {
                throw new UncheckedIOException("the child " + command.get(0) + " does not start", e);
            }
        }

        /** Whether this process was started with SIGINT ignored, as a shell's background jobs are; children inherit it. */
        private static boolean ignoresInterrupts() {
            try (Stream<String> status = Files.lines(Path.of("/proc/self/status"))) {
                return status.filter(line -> line.startsWith("SigIgn:"))
                        .map(line -> Long.parseUnsignedLong(
                                line.substring("SigIgn:".length()).strip(), 16))
                        .anyMatch(mask -> (mask & SIGINT_BIT) != 0);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Starts the child and waits for its end. */
        public Result run(Duration timeout) {
            try (ChildJvm child = start()) {
                return child.awaitExit(timeout);
            }
        }
    }

    /** The process id. */
    public long pid() {
        return process.pid();
    }

    /** Whether the child still runs. */
    public boolean isAlive() {
        return process.isAlive();
    }

    /** Standard output so far. */
    public String stdout() {
        return stdout.text();
    }

    /** Standard error so far. */
    public String stderr() {
        return stderr.text();
    }

    /**
     * Waits for a line on standard output or error that matches, those already printed included.
     *
     * @return the line
     * @throws AssertionError with all output, if the child ends or the time passes without such a line
     */
    public String awaitLine(Predicate<String> matches, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        int seenOut = 0;
        int seenErr = 0;
        while (true) {
            // Whether it lives is asked before the output is read: what a dying child prints last still counts.
            boolean mayPrintMore = Arrays.stream(readers).anyMatch(Thread::isAlive);
            List<String> out = stdout.lines();
            List<String> err = stderr.lines();
            for (; seenOut < out.size(); seenOut++) {
                if (matches.test(out.get(seenOut))) {
                    return out.get(seenOut);
                }
            }
            for (; seenErr < err.size(); seenErr++) {
                if (matches.test(err.get(seenErr))) {
                    return err.get(seenErr);
                }
            }
            if (!mayPrintMore) {
                throw new AssertionError("the child ended without the awaited line" + describe());
            }
            if (System.nanoTime() >= deadline) {
                throw new AssertionError("no awaited line within " + timeout + describe());
            }
            pause();
        }
    }

    /**
     * Waits for the end.
     *
     * @throws AssertionError with all output, if it still runs when the time has passed; it is killed then
     */
    public Result awaitExit(Duration timeout) {
        try {
            if (!process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
                String output = describe();
                kill();
                process.waitFor();
                throw new AssertionError("the child still ran after " + timeout + output);
            }
            for (Thread reader : readers) {
                // A grandchild may hold the pipe open; what the child itself wrote is there by then.
                reader.join(END_OF_OUTPUT);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a child", e);
        }
        return new Result(process.exitValue(), stdout(), stderr());
    }

    /** Ends it at once, as {@code kill -9}: no shutdown hook runs. Its descendants end too. */
    public void kill() {
        List<ProcessHandle> descendants = process.descendants().toList();
        process.destroyForcibly();
        descendants.forEach(ProcessHandle::destroyForcibly);
    }

    /** Sends SIGTERM. */
    public void terminate() {
        // Process.destroy would close the pipes, and with them what the child still has to say.
        process.toHandle().destroy();
    }

    /** Sends SIGINT, as Ctrl-C does. */
    public void interrupt() {
        signal("INT");
    }

    /** Sends a signal by its name without SIG: {@code STOP}, {@code CONT}. */
    public void signal(String name) {
        try {
            Process sender = new ProcessBuilder("kill", "-" + name, Long.toString(pid()))
                    .redirectErrorStream(true)
                    .start();
            String said = new String(sender.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (sender.waitFor() != 0) {
                throw new IllegalStateException("signal " + name + " could not be sent: " + said.strip());
            }
        } catch (IOException e) {
            throw new UncheckedIOException("signal " + name + " could not be sent", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while sending a signal", e);
        }
    }

    /** Kills the child where it still runs, and waits for its end. */
    @Override
    public void close() {
        kill();
        awaitExit(END_OF_OUTPUT);
    }

    /**
     * The class path of the running tests. Surefire may start the JVM with a class path of one jar that only lists the
     * others, and names the real one in a property.
     */
    static String testClassPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    }

    static void pause() {
        try {
            Thread.sleep(Duration.ofMillis(2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while watching a child", e);
        }
    }

    private String describe() {
        return "\n--- stdout\n" + stdout() + "\n--- stderr\n" + stderr();
    }

    private Thread reader(InputStream stream, Output output, String name) {
        return Thread.ofPlatform()
                .daemon()
                .name("child-" + process.pid() + "-" + name)
                .start(() -> output.drain(stream));
    }

    /** Text that one thread appends and others read. A line counts when its newline, or the end, has come. */
    private static final class Output {
        private final StringBuilder text = new StringBuilder();
        private final StringBuilder line = new StringBuilder();
        private final List<String> lines = new ArrayList<>();

        void drain(InputStream stream) {
            char[] buffer = new char[8192];
            try (BufferedReader reader = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                for (int n = reader.read(buffer); n >= 0; n = reader.read(buffer)) {
                    append(buffer, n);
                }
            } catch (IOException e) {
                // The pipe of a killed child may close under the reader; what came before stands.
                finish();
            }
            finish();
        }

        synchronized void append(char[] buffer, int count) {
            text.append(buffer, 0, count);
            for (int i = 0; i < count; i++) {
                // A progress bar redraws its line with a carriage return.
                if (buffer[i] == '\n' || buffer[i] == '\r') {
                    finish();
                } else {
                    line.append(buffer[i]);
                }
            }
        }

        synchronized void finish() {
            if (!line.isEmpty()) {
                lines.add(line.toString());
                line.setLength(0);
            }
        }

        synchronized String text() {
            return text.toString();
        }

        synchronized List<String> lines() {
            return List.copyOf(lines);
        }
    }
}
