package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import quern.recipe.Block;
import quern.recipe.QuernException;

/** What must hold before a run goes on: a whole checkpoint, and a recipe that means the same training. */
final class Resumption {
    /** What may change when a run is resumed; all else is part of what the checkpoint means. */
    private static final Set<String> CHANGEABLE = Set.of(
            "max_steps",
            "num_train_epochs",
            "logging_steps",
            "eval_steps",
            "save_steps",
            "save_total_limit",
            "save_async",
            "load_best_model_at_end",
            "early_stopping_patience",
            "early_stopping_threshold",
            "per_device_eval_batch_size",
            "gradient_checkpointing",
            "optimizer_in_backward",
            "prefix_sharing",
            "sample_steps",
            "sample_prompt",
            "sample_max_new_tokens",
            "threads",
            "tensorboard");

    private Resumption() {}

    /** The recipe of one stage as it was begun, with what may change as it is now. */
    static Block changed(Block before, Block now) {
        Block after = before;
        for (String key : CHANGEABLE) {
            after = now.has(key) ? after.with(key, now.toMap().get(key)) : after.without(key);
        }
        return after;
    }

    /** The newest checkpoint of a run folder. */
    static Optional<Path> newest(Path run) {
        List<Path> all = Checkpoints.list(run);
        return all.isEmpty() ? Optional.empty() : Optional.of(all.getLast());
    }

    /** A damaged checkpoint is never passed over in silence, but the message names the one to go back to. */
    static void verify(Path checkpoint, Path run) {
        try {
            Manifest.verify(checkpoint);
        } catch (QuernException damaged) {
            List<Path> others = new ArrayList<>(Checkpoints.list(run));
            others.removeIf(p -> p.getFileName().equals(checkpoint.getFileName()));
            for (Path other : others.reversed()) {
                try {
                    Manifest.verify(other);
                } catch (QuernException alsoDamaged) {
                    continue;
                }
                throw new QuernException(
                        damaged.exitCode(), damaged.getMessage() + " (whole: --resume " + other + ")", damaged);
            }
            throw damaged;
        }
    }

    /** Refuses a recipe that is no continuation of the one before. */
    static void refuseChanges(Block before, Block after) {
        Set<String> keys = new TreeSet<>(before.keys());
        keys.addAll(after.keys());
        Map<String, Object> was = before.toMap();
        Map<String, Object> is = after.toMap();
        for (String key : keys) {
            if (!Objects.equals(was.get(key), is.get(key)) && !CHANGEABLE.contains(key)) {
                throw QuernException.badInput(
                        "%s: %s can't change when a run is resumed (it was %s); begin a new run, or change only %s",
                        after.position(key), key, was.get(key), String.join(", ", new TreeSet<>(CHANGEABLE)));
            }
        }
    }
}
