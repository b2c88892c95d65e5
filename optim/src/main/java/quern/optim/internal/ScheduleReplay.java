package quern.optim.internal;

import java.util.List;
import quern.optim.MetricSchedule;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.recipe.Block;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import tools.jackson.databind.JsonNode;

/**
 * Replays cases of kind {@code schedule}: compares the rate of every step; the error is absolute. A schedule that follows a
 * metric observes the case's {@code metrics}, one after every step.
 */
public final class ScheduleReplay implements GoldenReplay {
    @Override
    public String kind() {
        return "schedule";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        CaseJson json = new CaseJson(golden);
        ScheduleTechnique technique = Techniques.find(
                ScheduleTechnique.class,
                ScheduleTechnique.KIND,
                json.text("lr_scheduler_type"),
                Position.of(json.file()));
        Block kwargs = json.block("lr_scheduler_kwargs");
        Schedule schedule = technique.create(
                json.number(golden.json(), "learning_rate"),
                json.count("warmup_steps"),
                json.count("max_steps"),
                kwargs.bind(technique.config()));
        JsonNode expected = golden.json().path("expected");
        if (!expected.isArray() || expected.isEmpty()) {
            throw QuernException.badInput("%s: expected a list of rates under 'expected'", json.file());
        }
        JsonNode metrics = golden.json().path("metrics");
        if (technique.followsMetric() && metrics.size() < expected.size() - 1) {
            throw QuernException.badInput(
                    "%s: expected a list under 'metrics' with a number for every step", json.file());
        }
        double worst = 0;
        for (int step = 0; step < expected.size(); step++) {
            double error = Math.abs(schedule.rate(step) - number(expected.get(step), "expected", json));
            worst = Math.max(worst, error);
            if (schedule instanceof MetricSchedule follower && step < metrics.size()) {
                follower.observe(step, number(metrics.get(step), "metrics", json));
            }
        }
        return List.of(GoldenCheck.of("rates", worst, golden.tolerance("rates")));
    }

    private static double number(JsonNode value, String key, CaseJson json) {
        if (!value.isNumber()) {
            throw QuernException.badInput("%s: '%s' holds something else than numbers", json.file(), key);
        }
        return value.asDouble();
    }
}
