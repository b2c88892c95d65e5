package quern.data.order;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * Mixing by weights that change with the step. Between two points the shares go in a straight line from those of the one to
 * those of the other; before the first point and behind the last they stay.
 */
public final class ScheduledMixing implements Mixing {
    /**
     * Weights at a step.
     *
     * @param step counted from 0
     * @param weights by the names of the sources
     */
    public record Point(
            @Doc("The step, counted from 0.") @Range(min = 0)
            long step,

            @Doc("The weight of each source by its name.") Map<String, Double> weights) {}

    /** Settings. */
    public record Config(
            @Doc("Weights at some steps, in their order; between them shares change in straight lines.")
            List<Point> points) {
        /** Refuses points out of order. */
        public Config {
            points = List.copyOf(points);
            if (points.isEmpty()) {
                throw new IllegalArgumentException("points: none is given; give weights at one step or more");
            }
            for (int i = 1; i < points.size(); i++) {
                if (points.get(i).step() <= points.get(i - 1).step()) {
                    throw new IllegalArgumentException("points: step %d comes after step %d; put them in order"
                            .formatted(points.get(i).step(), points.get(i - 1).step()));
                }
            }
        }
    }

    @Override
    public String id() {
        return "scheduled";
    }

    @Override
    public String summary() {
        return "weights by the step, in straight lines between given points";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Shares open(Corpora corpora, Record config) {
        List<Point> points = ((Config) config).points();
        List<double[]> shares = new ArrayList<>();
        for (Point point : points) {
            shares.add(Weights.shares(Weights.ofNames(
                    "data.mixing: points: step %d".formatted(point.step()), point.weights(), corpora.names())));
        }
        for (int s = 0; s < corpora.count(); s++) {
            int source = s;
            if (shares.stream().allMatch(at -> at[source] == 0)) {
                throw QuernException.badInput(
                        "data.mixing: points: '%s' has weight 0 at every point and is never met; leave it out",
                        corpora.names().get(s));
            }
        }
        return step -> at(points, shares, step);
    }

    private static double[] at(List<Point> points, List<double[]> shares, long step) {
        int next = 0;
        while (next < points.size() && points.get(next).step() <= step) {
            next++;
        }
        if (next == 0 || next == points.size()) {
            return shares.get(Math.max(0, next - 1)).clone();
        }
        long from = points.get(next - 1).step();
        double way = (double) (step - from) / (points.get(next).step() - from);
        double[] a = shares.get(next - 1);
        double[] b = shares.get(next);
        double[] mixed = new double[a.length];
        for (int i = 0; i < a.length; i++) {
            mixed[i] = a[i] + way * (b[i] - a[i]);
        }
        return mixed;
    }
}
