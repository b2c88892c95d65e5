package quern.models;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.Range;
import quern.recipe.Shorthand;

/**
 * How text is generated, with the names and meaning of transformers' {@code GenerationConfig}.
 *
 * @param maxNewTokens the most tokens added
 * @param doSample draw tokens; otherwise the most likely one is taken
 * @param temperature logits are divided by this before drawing
 * @param topK only so many of the most likely tokens may be drawn; 0 for all
 * @param topP only the most likely tokens that together have this probability may be drawn
 * @param repetitionPenalty logits of tokens already there are divided by this where positive, multiplied where negative
 * @param eosTokenId tokens that end a text
 * @param stopStrings text that ends a text once it stands in what was generated
 * @param seed of the draws; each row and step has its own stream
 * @param useCache keep keys and values of earlier tokens; the tokens are the same without, at more work
 */
public record GenerationConfig(
        @Doc("The most tokens to add.") @Default("100") @Range(min = 1)
        int maxNewTokens,

        @Doc("Draw tokens instead of taking the most likely one.") @Default("false")
        boolean doSample,

        @Doc("Logits are divided by this before drawing.") @Default("1") @Range(min = 0, minExclusive = true)
        double temperature,

        @Doc("Draw among so many of the most likely tokens; 0 for all.") @Default("50") @Range(min = 0)
        int topK,

        @Doc("Draw among the most likely tokens that together have this probability.")
        @Default("1")
        @Range(min = 0, max = 1, minExclusive = true)
        double topP,

        @Doc("Above 1, tokens already there become less likely.") @Default("1") @Range(min = 0, minExclusive = true)
        double repetitionPenalty,

        @Doc("The tokens that end a text.") @Default("[]") @Shorthand
        List<Integer> eosTokenId,

        @Doc("Text that ends a text.") @Default("[]") @Shorthand
        List<String> stopStrings,

        @Doc("The seed of the draws.") @Default("0") long seed,

        @Doc("Keep keys and values of earlier tokens.") @Default("true")
        boolean useCache) {

    /** The file of a model folder. */
    static final String FILE = "generation_config.json";

    private static final Set<String> READ = Set.of(
            "max_new_tokens",
            "do_sample",
            "temperature",
            "top_k",
            "top_p",
            "repetition_penalty",
            "eos_token_id",
            "stop_strings");

    /** Checks the texts. */
    public GenerationConfig {
        if (stopStrings.stream().anyMatch(String::isEmpty)) {
            throw new IllegalArgumentException("stop_strings: an empty text would stop everything; leave it out");
        }
    }

    /** The settings of a recipe's or command line's block on top of these; absent keys keep these values. */
    public GenerationConfig with(Block block) {
        Block all = block;
        for (Map.Entry<String, Object> e : fields().entrySet()) {
            if (!block.has(e.getKey())) {
                all = all.with(e.getKey(), e.getValue());
            }
        }
        return all.bind(GenerationConfig.class);
    }

    private Map<String, Object> fields() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("max_new_tokens", maxNewTokens);
        fields.put("do_sample", doSample);
        fields.put("temperature", temperature);
        fields.put("top_k", topK);
        fields.put("top_p", topP);
        fields.put("repetition_penalty", repetitionPenalty);
        fields.put("eos_token_id", eosTokenId);
        fields.put("stop_strings", stopStrings);
        fields.put("seed", seed);
        fields.put("use_cache", useCache);
        return fields;
    }

    /** What a {@code generation_config.json} says; fields Quern doesn't have are left aside. */
    static GenerationConfig of(Map<String, Object> file, ModelSpec spec) {
        Block block = Block.empty(Position.of(FILE));
        for (String key : new TreeSet<>(READ)) {
            Object value = file.get(key);
            if (value == null && key.equals("eos_token_id")) {
                value = spec.field(key);
            }
            if (value != null) {
                block = block.with(key, value);
            }
        }
        return block.bind(GenerationConfig.class);
    }
}
