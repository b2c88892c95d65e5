package quern.models.gptneo;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** GPT-Neo's settings with the names and defaults of transformers' {@code GPTNeoConfig}. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The most positions.") @Default("2048") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The width of the residual stream.") @Default("2048") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of blocks.") @Default("24") @Range(min = 1)
        int numLayers,

        @Doc("Kinds of blocks and how often they repeat: [[[global, local], 12]].") @Default("[[[global, local], 12]]")
        List<List<Object>> attentionTypes,

        @Doc("The kind of each block, global or local; as attention_types says when absent.")
        Optional<List<String>> attentionLayers,

        @Doc("The number of attention heads; divides hidden_size.") @Default("16") @Range(min = 1)
        int numHeads,

        @Doc("The width inside the feed-forward part; 4 times hidden_size when absent.") @Range(min = 1)
        Optional<Integer> intermediateSize,

        @Doc("The keys that a query of a local block sees, its own among them.") @Default("256") @Range(min = 1)
        int windowSize,

        @Doc("The activation of the feed-forward part.") @Default("gelu_new")
        String activationFunction,

        @Doc("Sets those of resid_dropout, embed_dropout and attention_dropout that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double residDropout,

        @Doc("Dropout after the embeddings.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double embedDropout,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEpsilon,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements ModelConfig {

    /** Checks that the sizes fit together and that every block has a kind. */
    public Config {
        ModelConfig.checkActivation("activation_function", activationFunction);
        ConfigChecks.heads("num_heads", numHeads, "hidden_size", hiddenSize);
        String key = attentionLayers.isPresent() ? "attention_layers" : "attention_types";
        List<String> kinds = attentionLayers.orElseGet(() -> expanded(attentionTypes));
        for (String kind : kinds) {
            if (!kind.equals("global") && !kind.equals("local")) {
                throw new IllegalArgumentException(
                        "%s: unknown kind '%s'; known are global, local".formatted(key, kind));
            }
        }
        if (kinds.size() != numLayers) {
            throw new IllegalArgumentException(
                    "%s: gives %d blocks a kind, but num_layers is %d".formatted(key, kinds.size(), numLayers));
        }
    }

    private static List<String> expanded(List<List<Object>> types) {
        List<String> kinds = new ArrayList<>();
        for (List<Object> run : types) {
            if (run.size() != 2
                    || !(run.get(0) instanceof List<?> names)
                    || !(run.get(1) instanceof Number times)
                    || times.longValue() < 0) {
                throw new IllegalArgumentException(
                        "attention_types: expected pairs of a list of kinds and a number, found %s".formatted(run));
            }
            for (long i = 0; i < times.longValue(); i++) {
                names.forEach(name -> kinds.add(String.valueOf(name)));
            }
        }
        return kinds;
    }

    @Override
    public int width() {
        return hiddenSize;
    }

    @Override
    public int layers() {
        return numLayers;
    }

    @Override
    public int contextLength() {
        return maxPositionEmbeddings;
    }

    int innerWidth() {
        return intermediateSize.orElse(4 * hiddenSize);
    }

    boolean isLocal(int layer) {
        return attentionLayers
                .orElseGet(() -> expanded(attentionTypes))
                .get(layer)
                .equals("local");
    }
}
