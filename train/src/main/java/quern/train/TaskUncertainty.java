package quern.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.BatchSource;
import quern.data.MultiTask;
import quern.data.TaskMixture;

/**
 * Weighs the losses of several tasks by learned uncertainties (Kendall et al. 2018, arXiv:1705.07115, equation 10): a batch of
 * a task whose mean loss is L counts {@code exp(-s) L + s / 2}, where s is the logarithm of the task's variance, and a step is the
 * mean over its batches. Every s starts at 0 and descends its own gradient, {@code 1/2 - exp(-s) L}, after each update of the
 * weights; where L stays the same it settles at {@code ln 2L}.
 *
 * <p>Deviation: s descends plainly at a rate of its own, not by the optimizer of the weights.
 */
final class TaskUncertainty implements Resumable {
    private final TaskMixture tasks;
    private final StepBatches stepBatches;
    private final List<String> names;
    private final double[] logVariances;
    private final double[] gradients;
    private final double[] losses;
    private final int[] seen;

    private TaskUncertainty(TaskMixture tasks, StepBatches stepBatches) {
        this.tasks = tasks;
        this.stepBatches = stepBatches;
        this.names = tasks.taskNames();
        this.logVariances = new double[names.size()];
        this.gradients = new double[names.size()];
        this.losses = new double[names.size()];
        this.seen = new int[names.size()];
    }

    /** Of batches whose tasks are weighed so; empty for others. */
    static Optional<TaskUncertainty> of(BatchSource batches, StepBatches stepBatches) {
        return batches instanceof TaskMixture tasks && tasks.weighting() == MultiTask.Weighting.UNCERTAINTY
                ? Optional.of(new TaskUncertainty(tasks, stepBatches))
                : Optional.empty();
    }

    /** Forgets what was heard of a step that begins. */
    void begin() {
        Arrays.fill(gradients, 0);
        Arrays.fill(losses, 0);
        Arrays.fill(seen, 0);
    }

    /** What the mean loss of batch {@code micro} of a step counts. */
    double weight(long step, int micro) {
        return Math.exp(-logVariances[task(step, micro)]);
    }

    private int task(long step, int micro) {
        return tasks.task(stepBatches.first(step) + micro);
    }

    /** Hears the mean loss of batch {@code micro} of a step. */
    void heard(long step, int micro, int batches, double loss) {
        int task = task(step, micro);
        gradients[task] += (0.5 - Math.exp(-logVariances[task]) * loss) / batches;
        losses[task] += loss;
        seen[task]++;
    }

    /** Descends, after the weights did. */
    void update() {
        for (int i = 0; i < logVariances.length; i++) {
            logVariances[i] -= tasks.uncertaintyRate() * gradients[i];
        }
    }

    /** What each task counts, and the mean loss of those in this step. */
    Map<String, Double> reports() {
        Map<String, Double> all = new LinkedHashMap<>();
        for (int i = 0; i < logVariances.length; i++) {
            all.put("task_weight/" + names.get(i), Math.exp(-logVariances[i]));
            if (seen[i] > 0) {
                all.put("task_loss/" + names.get(i), losses[i] / seen[i]);
            }
        }
        return all;
    }

    @Override
    public String name() {
        return "task_uncertainty";
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        for (int i = 0; i < logVariances.length; i++) {
            state.put(names.get(i), logVariances[i]);
        }
        return state;
    }

    @Override
    public void load(Map<String, Double> state) {
        for (int i = 0; i < logVariances.length; i++) {
            logVariances[i] = state.getOrDefault(names.get(i), 0.0);
        }
    }
}
