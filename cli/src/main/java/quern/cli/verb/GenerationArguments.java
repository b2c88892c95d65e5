package quern.cli.verb;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import picocli.CommandLine.Option;
import quern.models.GenerationConfig;
import quern.models.LanguageModel;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/**
 * How text is generated, as a picocli mixin: {@code KEY=VALUE} with the names of transformers' generation settings, and
 * options for the usual ones. What is not said comes from the folder's {@code generation_config.json}, then from {@link
 * #DEFAULTS}.
 */
final class GenerationArguments {
    /** What holds where neither the person nor the folder says otherwise. */
    static final Map<String, Object> DEFAULTS = Map.of("do_sample", true, "temperature", 0.8, "top_k", 50);

    /** What a verb's positional parameters after the folder are. */
    static final String SETTINGS =
            "Generation settings by transformers' names: do_sample, temperature, top_k, top_p, repetition_penalty,"
                    + " max_new_tokens, stop_strings, eos_token_id, seed, use_cache.";

    private static final int SEEDS = 1_000_000;
    private static final List<String> OF_SAMPLING = List.of("temperature", "top_k", "top_p", "seed");

    @Option(names = "--max-new-tokens", paramLabel = "N", description = "The most tokens to add (100).")
    private Optional<Integer> maxNewTokens = Optional.empty();

    @Option(names = "--temperature", paramLabel = "T", description = "Below 1 safer, above 1 wilder (0.8).")
    private Optional<Double> temperature = Optional.empty();

    @Option(names = "--top-k", paramLabel = "K", description = "Draw among the K likeliest tokens; 0 for all (50).")
    private Optional<Integer> topK = Optional.empty();

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Draw among the likeliest tokens that have this probability together (1).")
    private Optional<Double> topP = Optional.empty();

    @Option(
            names = "--repetition-penalty",
            paramLabel = "R",
            description = "Above 1, tokens already there become less likely (1).")
    private Optional<Double> repetitionPenalty = Optional.empty();

    @Option(names = "--stop", paramLabel = "TEXT", description = "Stop before this text; may be given several times.")
    private List<String> stop = new ArrayList<>();

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "The same seed gives the same text; drawn and printed unless given.")
    private Optional<Long> seed = Optional.empty();

    @Option(names = "--greedy", description = "Always the likeliest token; nothing is drawn.")
    private boolean greedy;

    /**
     * The settings for a model, a seed included.
     *
     * @param settings {@code KEY=VALUE}
     * @param further defaults of the verb, beside the general ones
     */
    GenerationConfig config(LanguageModel model, List<String> settings, Map<String, Object> further) {
        Map<String, Object> defaults = new LinkedHashMap<>(DEFAULTS);
        defaults.putAll(further);
        Block given = given(settings);
        GenerationConfig config = model.generationConfig(defaults).with(given);
        if (!config.doSample()) {
            refuseWithoutSampling(given);
        } else if (!given.has("seed")) {
            config = config.with(given.with("seed", ThreadLocalRandom.current().nextInt(SEEDS)));
        }
        return config;
    }

    /** What the person said. */
    Block given(List<String> settings) {
        List<String> overrides = new ArrayList<>(settings);
        for (String setting : settings) {
            if (setting.indexOf('=') < 1) {
                throw QuernException.badInput(
                        "'%s' is no generation setting; expected KEY=VALUE, as in temperature=0.8%s",
                        setting, " (a prompt is given with --prompt)");
            }
        }
        add(overrides, "max_new_tokens", maxNewTokens);
        add(overrides, "temperature", temperature);
        add(overrides, "top_k", topK);
        add(overrides, "top_p", topP);
        add(overrides, "repetition_penalty", repetitionPenalty);
        add(overrides, "seed", seed);
        add(overrides, "do_sample", greedy ? Optional.of(false) : Optional.empty());
        Block block = RecipeFile.load("generation settings", "{}", overrides);
        return stop.isEmpty() ? block : block.with("stop_strings", stop);
    }

    private static void add(List<String> overrides, String key, Optional<?> value) {
        value.ifPresent(v -> overrides.add(key + "=" + v));
    }

    private static void refuseWithoutSampling(Block given) {
        for (String key : OF_SAMPLING) {
            if (given.has(key)) {
                throw QuernException.badInput(
                        "%s: %s has no effect when nothing is drawn (--greedy, do_sample=false); leave one of them out",
                        given.position(key), key);
            }
        }
    }
}
