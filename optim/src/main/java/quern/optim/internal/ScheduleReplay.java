package quern.optim.internal;

import java.util.List;
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

/** Replays cases of kind {@code schedule}: compares the rate of every step; the error is absolute. */
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
        double worst = 0;
        for (int step = 0; step < expected.size(); step++) {
            if (!expected.get(step).isNumber()) {
                throw QuernException.badInput("%s: 'expected' holds something else than numbers", json.file());
            }
            double error = Math.abs(schedule.rate(step) - expected.get(step).asDouble());
            worst = Math.max(worst, error);
        }
        return List.of(GoldenCheck.of("rates", worst, golden.tolerance("rates")));
    }
}
