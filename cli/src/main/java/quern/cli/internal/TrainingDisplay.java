package quern.cli.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import quern.cli.ProgressLine;
import quern.cli.Terminal;
import quern.evaluate.plot.Series;
import quern.train.ProcessMemory;
import quern.train.Stages;
import quern.train.StepResult;
import quern.train.TrainingHook;
import quern.train.TrainingProgress;
import quern.train.TrainingRun;

/**
 * What a person sees of a training: what is being trained, a live line, evaluations, samples, saves. It hears of the training
 * on one thread and of signals on others.
 */
public final class TrainingDisplay implements TrainingHook, AutoCloseable {
    private static final int DIM = 2;
    private static final int BOLD = 1;
    private static final int SAMPLE_WIDTH = 100;
    private static final double SMOOTHING = 0.1;
    /** Nanoseconds between two looks at the process's memory: a small model takes hundreds of steps a second. */
    private static final long MEMORY_INTERVAL = 500_000_000L;

    private final Terminal terminal;
    private final List<double[]> training = new ArrayList<>();
    private final List<double[]> validation = new ArrayList<>();
    private ProgressLine line;
    private double tokensPerSecond = Double.NaN;
    private double loss = Double.NaN;
    private long earlierSteps;
    private long memory;
    private long memoryRead = System.nanoTime() - 2 * MEMORY_INTERVAL;

    /** A display on a terminal, or plain lines where it is none. */
    public TrainingDisplay(Terminal terminal) {
        this.terminal = terminal;
    }

    /** Prints a remark, above the live line when there is one. */
    public synchronized void note(String text) {
        if (line == null) {
            terminal.out().println(text);
        } else {
            line.println(text);
        }
    }

    /** Prints which stage of several comes; its steps are counted on from those of the stages before. */
    public synchronized void beginStage(Stages.Stage stage, int stages, long earlier) {
        close();
        line = null;
        earlierSteps = earlier;
        tokensPerSecond = Double.NaN;
        loss = Double.NaN;
        note("%s %d of %d, %s".formatted(terminal.paint(BOLD, "stage"), stage.number(), stages, stage.name()));
    }

    /** Prints what is about to be trained. */
    public void show(TrainingRun run) {
        run.history().forEach(this::keep);
        var p = run.preparation();
        note("%s %s, %,d parameters, %s on %s"
                .formatted(
                        terminal.paint(BOLD, "model"),
                        p.spec().family().id(),
                        run.model().parameterCount(),
                        p.recipe().precision().name().toLowerCase(Locale.ROOT),
                        run.model().device()));
        note("%s  %,d training tokens, %,d validation tokens, vocabulary %,d"
                .formatted(
                        terminal.paint(BOLD, "data"),
                        p.store().train().size(),
                        p.store().validation().size(),
                        p.tokenizer().vocabularySize()));
        p.notices().forEach(this::note);
        note("%s   %s, %,d steps".formatted(terminal.paint(BOLD, "run"), run.folder(), p.maxSteps()));
    }

    @Override
    public synchronized void onBegin(TrainingProgress progress) {
        line = new ProgressLine(terminal, "train", progress.step(), progress.maxSteps());
    }

    @Override
    public synchronized void onStep(TrainingProgress progress, StepResult result) {
        double now = result.tokens() / result.seconds();
        tokensPerSecond = Double.isNaN(tokensPerSecond) ? now : tokensPerSecond + SMOOTHING * (now - tokensPerSecond);
        double seen = Double.isFinite(result.loss()) ? result.loss() : loss;
        loss = Double.isNaN(loss) ? seen : loss + SMOOTHING * (seen - loss);
        if (System.nanoTime() - memoryRead > MEMORY_INTERVAL) {
            memory = ProcessMemory.read().now();
            memoryRead = System.nanoTime();
        }
        line.update(progress.step(), loss, tokensPerSecond, memory);
    }

    @Override
    public synchronized void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
        Map<String, Double> row = new LinkedHashMap<>(metrics);
        row.put("step", (double) progress.step());
        keep(row);
        if (metrics.containsKey("eval_loss")) {
            Double bits = metrics.get("eval_bits_per_byte");
            note("step %,d  validation loss %.4f%s"
                    .formatted(
                            progress.step(),
                            metrics.get("eval_loss"),
                            bits == null ? "" : "  bits per byte %.4f".formatted(bits)));
            line.skipTime();
        }
    }

    private void keep(Map<String, Double> metrics) {
        double step = earlierSteps + metrics.get("step");
        if (metrics.containsKey("loss")) {
            training.add(new double[] {step, metrics.get("loss")});
        }
        if (metrics.containsKey("eval_loss")) {
            validation.add(new double[] {step, metrics.get("eval_loss")});
        }
    }

    @Override
    public synchronized void onSample(TrainingProgress progress, String prompt, String text) {
        note(terminal.paint(DIM, "step %,d  sample:".formatted(progress.step())));
        for (String row : (prompt + text).strip().split("\n")) {
            for (int at = 0; at < Math.max(1, row.length()); at += SAMPLE_WIDTH) {
                note(terminal.paint(DIM, "    " + row.substring(at, Math.min(row.length(), at + SAMPLE_WIDTH))));
            }
        }
        line.skipTime();
    }

    @Override
    public void onSaved(TrainingProgress progress, Path checkpoint) {
        note("saved " + checkpoint);
    }

    @Override
    public void onNote(TrainingProgress progress, String text) {
        note(text);
    }

    /** The losses seen so far, for plots. */
    public synchronized List<Series> series() {
        List<Series> all = new ArrayList<>();
        all.add(Series.line("training", column(training, 0), column(training, 1)));
        if (!validation.isEmpty()) {
            all.add(Series.points("validation", column(validation, 0), column(validation, 1)));
        }
        return all;
    }

    private static double[] column(List<double[]> rows, int i) {
        return rows.stream().mapToDouble(r -> r[i]).toArray();
    }

    @Override
    public synchronized void close() {
        if (line != null) {
            line.close();
        }
    }
}
