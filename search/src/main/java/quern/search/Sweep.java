package quern.search;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;

/**
 * A comparison whose arms are the values of one key.
 *
 * <p>Where the key is the batch size, all arms see the same tokens: a batch {@code r} times the recipe's takes {@code 1/r}
 * of its steps, with warm-up, evaluations, metrics and saves at the same tokens, and its learning rate is scaled by a rule.
 *
 * @param key the key
 * @param rule how the rate follows the batch; empty for another key
 * @param study what is trained
 */
public record Sweep(String key, Optional<RateRule> rule, Study study) {
    private static final List<String> BATCH_KEYS =
            List.of("per_device_train_batch_size", "gradient_accumulation_steps");

    /** How the learning rate follows the batch size. */
    public enum RateRule {
        /**
         * By the root of the ratio, which keeps the size of the noise in an update: Krizhevsky, "One weird trick for
         * parallelizing convolutional neural networks" (2014); for Adam and its kin Malladi et al., "On the SDEs and
         * scaling rules for adaptive gradient algorithms" (2022).
         */
        SQRT,
        /** By the ratio: Goyal et al., "Accurate, large minibatch SGD" (2017). */
        LINEAR,
        /** Not at all. */
        NONE;

        double factor(double ratio) {
            return switch (this) {
                case SQRT -> Math.sqrt(ratio);
                case LINEAR -> ratio;
                case NONE -> 1;
            };
        }

        /** The rule as the command line writes it. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * A sweep.
     *
     * @param recipe what all values have in common
     * @param over {@code key=v1,v2,…} or {@code key=a..b:n}; the first value is the baseline
     * @param rule how the rate follows the batch; {@link RateRule#SQRT} unless given
     * @throws QuernException bad input: a rule without a batch size, or beside a tuned learning rate
     */
    public static Sweep of(
            String title,
            Block recipe,
            String over,
            Optional<RateRule> rule,
            int seeds,
            List<Axis> tuning,
            OptionalInt tuneSteps,
            OptionalDouble target,
            Path output) {
        Axis axis = Axis.vary(over, "--over");
        String key = axis.key().orElseThrow();
        boolean batch = BATCH_KEYS.contains(key);
        boolean tunesRate = tuning.stream().anyMatch(t -> t.key().equals(Optional.of("learning_rate")));
        if (!batch && rule.isPresent()) {
            throw QuernException.badInput(
                    "--scale-rate: has no effect on %s; it is for %s", key, String.join(" and ", BATCH_KEYS));
        }
        if (tunesRate && rule.isPresent()) {
            throw QuernException.badInput("--scale-rate: has no effect beside --tune learning_rate; leave one out");
        }
        Optional<RateRule> used = batch && !tunesRate ? Optional.of(rule.orElse(RateRule.SQRT)) : Optional.empty();
        List<Arm> arms = batch ? batchArms(recipe, key, axis, used.orElse(RateRule.NONE)) : axis.arms();
        return new Sweep(key, used, new Study(title, recipe, arms, seeds, tuning, tuneSteps, target, output));
    }

    private static List<Arm> batchArms(Block block, String key, Axis axis, RateRule rule) {
        Recipe recipe = Recipe.from(block);
        int base = key.equals(BATCH_KEYS.getFirst())
                ? recipe.perDeviceTrainBatchSize()
                : recipe.gradientAccumulationSteps();
        List<Arm> arms = new ArrayList<>();
        for (Arm arm : axis.arms()) {
            String setting = arm.settings().getFirst();
            String value = setting.substring(setting.indexOf('=') + 1);
            int size;
            try {
                size = Integer.parseInt(value);
            } catch (NumberFormatException e) {
                throw QuernException.badInput("--over %s: expected whole numbers, found '%s'", key, value);
            }
            if (size < 1) {
                throw QuernException.badInput("--over %s: expected 1 or more, found %d", key, size);
            }
            double ratio = (double) size / base;
            List<String> settings = new ArrayList<>(arm.settings());
            if (recipe.maxSteps() > 0) {
                settings.add("max_steps=" + steps(recipe.maxSteps(), ratio));
            }
            if (recipe.warmupSteps() >= 1) {
                settings.add("warmup_steps=" + Math.round(recipe.warmupSteps() / ratio));
            }
            settings.add("logging_steps=" + steps(recipe.loggingSteps(), ratio));
            settings.add("eval_steps=" + steps(recipe.evaluationSteps(), ratio));
            settings.add("save_steps=" + steps(recipe.saveSteps(), ratio));
            if (rule != RateRule.NONE && size != base) {
                settings.add("learning_rate=" + ValueList.number(recipe.learningRate() * rule.factor(ratio)));
            }
            arms.add(new Arm((key.equals(BATCH_KEYS.getFirst()) ? "batch " : "accumulation ") + size, settings));
        }
        return arms;
    }

    /** As many steps as see the same tokens; 0 says never, and stays so. */
    private static long steps(int steps, double ratio) {
        return steps == 0 ? 0 : Math.max(1, Math.round(steps / ratio));
    }
}
