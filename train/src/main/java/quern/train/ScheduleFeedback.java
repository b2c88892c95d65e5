package quern.train;

import java.util.Map;
import quern.optim.MetricSchedule;

/** Tells a schedule what evaluations measured; the schedule's state is this hook's. */
final class ScheduleFeedback implements TrainingHook {
    private final String metric;
    private final MetricSchedule schedule;

    ScheduleFeedback(String metric, MetricSchedule schedule) {
        this.metric = metric;
        this.schedule = schedule;
    }

    @Override
    public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
        Double value = metrics.get(metric);
        if (value != null) {
            schedule.observe((int) progress.step() - 1, value);
        }
    }

    @Override
    public Map<String, Double> state() {
        return schedule.state();
    }

    @Override
    public void load(Map<String, Double> state) {
        schedule.load(state);
    }
}
