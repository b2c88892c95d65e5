package quern.search;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.train.Median;
import quern.train.TrainingRun;

/**
 * The losses of a run by step, by tokens and by time.
 *
 * @param training mean training losses since the line before
 * @param validation losses on the validation text
 * @param tokensPerSecond the median over the lines of metrics; empty where there is none
 */
public record LossCurve(List<Point> training, List<Point> validation, Optional<Double> tokensPerSecond) {
    /**
     * A loss.
     *
     * @param step optimizer steps taken
     * @param tokens input tokens seen
     * @param seconds spent on steps; evaluations, samples and saves are not counted
     * @param loss nats a token
     */
    public record Point(double step, double tokens, double seconds, double loss) {
        static final Point START = new Point(0, 0, 0, Double.NaN);
    }

    /** The curve that a run folder's metrics hold. */
    public static LossCurve read(Path runFolder) {
        return of(TrainingRun.metrics(runFolder));
    }

    /** The curve of the last stage of a run in stages, or of all of another. */
    static LossCurve ofLastStage(Path runFolder) {
        List<Map<String, Double>> all = TrainingRun.metrics(runFolder);
        Double last = all.isEmpty() ? null : all.getLast().get("stage");
        return of(all.stream()
                .filter(line -> last == null || last.equals(line.get("stage")))
                .toList());
    }

    /** The curve in lines of metrics. */
    static LossCurve of(List<Map<String, Double>> metrics) {
        List<Point> training = new ArrayList<>();
        List<Double> speeds = new ArrayList<>();
        for (Map<String, Double> line : metrics) {
            if (line.containsKey("loss")) {
                Point before = training.isEmpty() ? Point.START : training.getLast();
                double tokens = line.get("num_input_tokens_seen");
                double speed = line.get("tokens_per_sec");
                double seconds = before.seconds() + (tokens - before.tokens()) / speed;
                training.add(new Point(line.get("step"), tokens, seconds, line.get("loss")));
                speeds.add(speed);
            }
        }
        List<Point> validation = new ArrayList<>();
        for (Map<String, Double> line : metrics) {
            if (line.containsKey("eval_loss")) {
                validation.add(at(line.get("step"), training, line.get("eval_loss")));
            }
        }
        Optional<Double> median = speeds.isEmpty()
                ? Optional.empty()
                : Optional.of(Median.of(
                        speeds.stream().mapToDouble(Double::doubleValue).toArray()));
        return new LossCurve(List.copyOf(training), List.copyOf(validation), median);
    }

    /** Tokens and time at a step lie between those of the lines around it. */
    private static Point at(double step, List<Point> training, double loss) {
        Point before = Point.START;
        for (Point p : training) {
            if (p.step() >= step) {
                Point point = between(before, p, (step - before.step()) / (p.step() - before.step()));
                return new Point(step, point.tokens(), point.seconds(), loss);
            }
            before = p;
        }
        return new Point(step, before.tokens(), before.seconds(), loss);
    }

    private static Point between(Point a, Point b, double share) {
        return new Point(
                a.step() + share * (b.step() - a.step()),
                a.tokens() + share * (b.tokens() - a.tokens()),
                a.seconds() + share * (b.seconds() - a.seconds()),
                a.loss() + share * (b.loss() - a.loss()));
    }

    /**
     * Where the validation loss first comes down to a target, on the straight line between two evaluations. A target that
     * the first evaluation is already below is reached there, since nothing is known of before.
     */
    public Optional<Point> reaches(double target) {
        Point before = null;
        for (Point p : validation) {
            if (p.loss() <= target) {
                if (before == null) {
                    return Optional.of(p);
                }
                return Optional.of(between(before, p, (before.loss() - target) / (before.loss() - p.loss())));
            }
            before = p;
        }
        return Optional.empty();
    }
}
