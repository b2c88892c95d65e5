package quern.cli.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * Preparation of a corpus on Spark in a process of its own: Quern's own start never needs Spark. The script {@code
 * spark/prepare} of the installation finds or fetches Spark and starts it.
 */
public final class SparkJob {
    private SparkJob() {}

    /**
     * Runs a recipe and waits; what the job prints goes where this process prints.
     *
     * @param master of the cluster; empty leaves it to the script
     */
    public static ExitCode run(Optional<String> master, Path recipe, List<String> overrides) {
        String home = System.getProperty("quern.home");
        Path script = Path.of(home == null ? "." : home).resolve("spark").resolve("prepare");
        if (home == null || !Files.isExecutable(script)) {
            throw QuernException.badInput(
                    "--engine spark: %s is not there; run Quern from a checkout of its sources by ./quern", script);
        }
        List<String> command = new ArrayList<>(List.of(script.toString()));
        master.ifPresent(name -> command.addAll(List.of("--master", name)));
        command.add(recipe.toString());
        command.addAll(overrides);
        return wait(command);
    }

    private static ExitCode wait(List<String> command) {
        Process process;
        try {
            process = new ProcessBuilder(command).inheritIO().start();
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.FAILED, "%s: can not be started (%s)".formatted(command.getFirst(), e.getMessage()), e);
        }
        // A signal that ends this process ends the job as well.
        Thread ender = new Thread(process::destroy);
        Runtime.getRuntime().addShutdownHook(ender);
        try {
            int code = process.waitFor();
            return switch (code) {
                case 0 -> ExitCode.DONE;
                case 2 -> ExitCode.BAD_INPUT;
                case 3 -> ExitCode.REFUSED;
                case 130 -> ExitCode.STOPPED;
                default -> ExitCode.FAILED;
            };
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            process.destroy();
            return ExitCode.FAILED;
        } finally {
            forget(ender);
        }
    }

    private static void forget(Thread ender) {
        try {
            Runtime.getRuntime().removeShutdownHook(ender);
        } catch (IllegalStateException e) {
            // The process is ending, and the hook does its work.
            return;
        }
    }
}
