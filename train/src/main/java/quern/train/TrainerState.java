package quern.train;

import java.util.Map;
import java.util.TreeMap;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The numbers of a training that are not weights: what a checkpoint keeps in {@code trainer/trainer_state.json}. The data
 * cursor needs no more than {@code step}, since the order of the data is a pure function of the seed.
 */
final class TrainerState {
    long step;
    long tokens;
    /** The best value of the watched metric so far; NaN before the first evaluation. */
    double bestMetric = Double.NaN;

    long bestStep = -1;
    /** Steps without an update, since they overflowed or were spikes. */
    long skipped;

    /** How often a spike led back to {@link #rewindStep}. */
    long rewinds;

    /** The step of the checkpoint that a spike would lead back to; -1 while there is none. */
    long rewindStep = -1;

    /** Sums since the last line of training metrics. */
    double lossSum;

    long lossSteps;
    /** {@link Preparation#dataFingerprint} of the text that was trained on; empty before the first checkpoint. */
    String data = "";

    /** Whether the last step of the training is done. */
    boolean finished;

    final Map<String, Map<String, Double>> hooks = new TreeMap<>();

    TrainerState copy() {
        TrainerState s = new TrainerState();
        s.step = step;
        s.tokens = tokens;
        s.bestMetric = bestMetric;
        s.bestStep = bestStep;
        s.skipped = skipped;
        s.rewinds = rewinds;
        s.rewindStep = rewindStep;
        s.lossSum = lossSum;
        s.lossSteps = lossSteps;
        s.finished = finished;
        s.data = data;
        s.hooks.putAll(hooks);
        return s;
    }

    ObjectNode toJson() {
        ObjectNode n = Json.object();
        n.put("step", step);
        n.put("tokens", tokens);
        if (bestStep >= 0) {
            n.put("best_metric", bestMetric);
            n.put("best_step", bestStep);
        }
        n.put("skipped", skipped);
        if (rewindStep >= 0) {
            n.put("rewinds", rewinds);
            n.put("rewind_step", rewindStep);
        }
        n.put("loss_sum", lossSum);
        n.put("loss_steps", lossSteps);
        n.put("finished", finished);
        n.put("data", data);
        ObjectNode all = n.putObject("hooks");
        hooks.forEach((hook, values) -> {
            ObjectNode h = all.putObject(hook);
            values.forEach(h::put);
        });
        return n;
    }

    static TrainerState fromJson(JsonNode n, String file) {
        TrainerState s = new TrainerState();
        for (String key : new String[] {"step", "tokens", "loss_sum", "loss_steps"}) {
            if (!n.path(key).isNumber()) {
                throw QuernException.failed(
                        "%s: '%s' should be a number, found %s; resume from another checkpoint",
                        file, key, n.path(key));
            }
        }
        s.step = n.get("step").asLong();
        s.tokens = n.get("tokens").asLong();
        s.lossSum = n.get("loss_sum").asDouble();
        s.lossSteps = n.get("loss_steps").asLong();
        s.skipped = n.path("skipped").asLong(0);
        s.rewinds = n.path("rewinds").asLong(0);
        s.rewindStep = n.path("rewind_step").asLong(-1);
        s.finished = n.path("finished").asBoolean(false);
        s.data = n.path("data").asString("");
        if (n.has("best_step")) {
            s.bestStep = n.get("best_step").asLong();
            s.bestMetric = n.get("best_metric").asDouble();
        }
        n.path("hooks").properties().forEach(hook -> {
            Map<String, Double> values = new TreeMap<>();
            hook.getValue()
                    .properties()
                    .forEach(v -> values.put(v.getKey(), v.getValue().asDouble()));
            s.hooks.put(hook.getKey(), values);
        });
        return s;
    }
}
