package quern.cli.verb;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Quern;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.cli.internal.Machine;
import quern.cli.internal.NativeCheck;
import quern.evaluate.plot.CurvePng;
import quern.evaluate.plot.Series;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.kernel.Kernels;

/** {@code quern doctor}: says whether this machine can run Quern, and what to change where it cannot. */
@Command(name = "doctor", description = "Check this machine: Java, CPU, memory, disk, native libraries.")
public final class Doctor implements Verb {
    private static final long GIGABYTE = 1L << 30;
    // The default recipe's model, corpus and checkpoints stay under these.
    private static final long MEMORY_WANTED = 2 * GIGABYTE;
    private static final long DISK_WANTED = 2 * GIGABYTE;
    private static final int JAVA_WANTED = 25;
    private static final int NATIVE_SECONDS = 120;
    private static final Pattern LIBTORCH = Pattern.compile("/pytorch-([0-9.]+)-([0-9.]+)\\.jar");

    /** How a check ended. */
    public enum Status {
        /** As it should be. */
        OK,
        /** Quern runs, but not at its best. */
        WARN,
        /** Quern cannot run. */
        FAIL
    }

    /**
     * One line of the report.
     *
     * @param check what was looked at
     * @param status how it ended, in lower case
     * @param found what was found
     * @param advice what to do; empty if nothing
     */
    public record Check(String check, String status, String found, String advice) {}

    /**
     * The report.
     *
     * @param ok false if a check failed
     */
    public record Report(boolean ok, List<Check> checks) {}

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    private final List<Check> checks = new ArrayList<>();

    @Override
    public ExitCode run() throws IOException {
        checks.clear();
        add("quern", Status.OK, Quern.version() + libtorchVersion(), "");
        java();
        Machine machine = Machine.read();
        cpu(machine);
        kernels();
        cores();
        memory(machine);
        disk();
        natives();
        pictures();

        boolean ok = checks.stream().noneMatch(check -> check.status().equals("fail"));
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            JsonOption.print(out, new Report(ok, checks));
        } else {
            print(out, Terminal.stdout());
        }
        return ok ? ExitCode.DONE : ExitCode.FAILED;
    }

    private void print(PrintWriter out, Terminal terminal) {
        Map<String, Integer> colours = Map.of("ok", 32, "warn", 33, "fail", 31);
        for (Check check : checks) {
            String status = terminal.paint(colours.get(check.status()), String.format("%-4s", check.status()));
            out.println(status + "  " + String.format("%-8s", check.check()) + "  " + check.found());
            if (!check.advice().isEmpty()) {
                out.println(" ".repeat(16) + check.advice());
            }
        }
        out.flush();
    }

    private void add(String check, Status status, String found, String advice) {
        checks.add(new Check(check, status.name().toLowerCase(Locale.ROOT), found, advice));
    }

    private static String libtorchVersion() {
        Matcher jar = LIBTORCH.matcher(System.getProperty("java.class.path"));
        return jar.find() ? ", libtorch " + jar.group(1) + " (JavaCPP " + jar.group(2) + ")" : "";
    }

    private void java() {
        boolean new25 = Runtime.version().feature() >= JAVA_WANTED;
        String found = Runtime.version() + " in " + System.getProperty("java.home");
        add("java", new25 ? Status.OK : Status.FAIL, found, new25 ? "" : "install a JDK " + JAVA_WANTED);
    }

    private void cpu(Machine machine) {
        String found = machine.cpu() + " (" + String.join(" ", machine.features()) + ")";
        if (!System.getProperty("os.arch").equals("amd64")
                || !machine.features().contains("avx2")) {
            add("cpu", Status.FAIL, found, "Quern needs an x86-64 CPU with AVX2");
        } else if (!machine.features().contains("avx512_bf16")
                && !machine.features().contains("amx_bf16")) {
            add("cpu", Status.WARN, found, "no bf16 instructions: choose precision: fp32");
        } else {
            add("cpu", Status.OK, found, "");
        }
    }

    private void kernels() {
        try {
            if (Kernels.available()) {
                add("kernels", Status.OK, "vectors of " + Kernels.vectorBits() + " bits", "");
            } else {
                add("kernels", Status.WARN, "none: " + Kernels.unavailableReason(), "training is slower without them");
            }
        } catch (QuernException e) {
            add("kernels", Status.FAIL, e.getMessage(), "");
        }
    }

    private void cores() {
        int cores = Runtime.getRuntime().availableProcessors();
        String threads = System.getenv().getOrDefault("OMP_NUM_THREADS", "");
        String found =
                cores + (cores == 1 ? " core" : " cores") + (threads.isEmpty() ? "" : ", OMP_NUM_THREADS=" + threads);
        if (!System.getenv().getOrDefault("OMP_WAIT_POLICY", "").equalsIgnoreCase("passive")) {
            add("cores", Status.WARN, found, "set OMP_WAIT_POLICY=passive: spinning workers keep cores from Java");
        } else if (threads.matches("[0-9]{1,6}") && Integer.parseInt(threads) > cores) {
            add("cores", Status.WARN, found, "more threads than cores slow each other: unset OMP_NUM_THREADS");
        } else {
            add("cores", Status.OK, found, "");
        }
    }

    private void memory(Machine machine) {
        String found = String.format(
                Locale.ROOT,
                "%.1f GB, %.1f GB available, Java heap up to %.1f GB",
                gigabytes(machine.memoryTotal()),
                gigabytes(machine.memoryAvailable()),
                gigabytes(Runtime.getRuntime().maxMemory()));
        boolean enough = machine.memoryAvailable() >= MEMORY_WANTED;
        add("memory", enough ? Status.OK : Status.WARN, found, enough ? "" : "free some memory: 2 GB are wanted");
    }

    private void disk() throws IOException {
        Path here = Path.of("").toAbsolutePath();
        long free = Files.getFileStore(here).getUsableSpace();
        String found = String.format(Locale.ROOT, "%.1f GB free in %s", gigabytes(free), here);
        try {
            Files.delete(Files.createTempFile(here, "quern-doctor", ".tmp"));
        } catch (IOException e) {
            add("disk", Status.WARN, found, "nothing can be written here: go elsewhere or set output_dir");
            return;
        }
        boolean enough = free >= DISK_WANTED;
        add("disk", enough ? Status.OK : Status.WARN, found, enough ? "" : "free some space: 2 GB are wanted");
    }

    private void natives() throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        Path arguments = Path.of(System.getProperty("quern.home", "."), "jvm.args");
        if (Files.isReadable(arguments)) {
            command.add("@" + arguments);
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), NativeCheck.class.getName()));
        long start = System.nanoTime();
        Process child = new ProcessBuilder(command)
                .redirectErrorStream(false)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        child.getOutputStream().close();
        try {
            if (!child.waitFor(NATIVE_SECONDS, TimeUnit.SECONDS)) {
                child.destroyForcibly();
                add("natives", Status.FAIL, "libtorch did not load within " + NATIVE_SECONDS + " s", "");
                return;
            }
        } catch (InterruptedException e) {
            child.destroyForcibly();
            Thread.currentThread().interrupt();
            throw QuernException.failed("interrupted while libtorch loaded");
        }
        String said = new String(child.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
                .lines()
                .findFirst()
                .orElse("no word");
        double seconds = (System.nanoTime() - start) / 1e9;
        if (child.exitValue() == 0) {
            add("natives", Status.OK, String.format(Locale.ROOT, "libtorch loads in %.1f s: %s", seconds, said), "");
        } else {
            String found = "libtorch does not load (exit code " + child.exitValue() + "): " + said;
            add("natives", Status.FAIL, found, "look at the message; the first load needs 1 GB free in ~/.javacpp");
        }
    }

    private void pictures() throws IOException {
        Path file = Files.createTempFile("quern-doctor", ".png");
        try {
            Series dot = Series.points("loss", new double[] {1}, new double[] {1});
            CurvePng.write(file, "loss", "step", "loss", List.of(dot));
            add("pictures", Status.OK, "loss curves can be drawn", "");
        } catch (QuernException e) {
            add("pictures", Status.WARN, "no loss curves as PNG", e.getMessage());
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private static double gigabytes(long bytes) {
        return (double) bytes / GIGABYTE;
    }
}
