package quern.models.t5;

import java.util.Optional;
import quern.models.EncoderDecoderConfig;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * T5's settings with the names and defaults of transformers' {@code T5Config}, except that the sizes have no defaults.
 *
 * @param vocabSize tokens known
 * @param dModel width of the residual stream
 * @param dKv width of a head, of its own: heads together need not be as wide as the stream
 * @param dFf width inside the feed-forward part; recipes may leave it out
 * @param numLayers blocks of the encoder
 * @param numDecoderLayers blocks of the decoder; as many as the encoder's when absent
 * @param numHeads attention heads
 * @param relativeAttentionNumBuckets buckets of distances with a bias each
 * @param relativeAttentionMaxDistance the distance from which all share the last bucket
 * @param dropoutRate dropout everywhere
 * @param layerNormEpsilon added to the mean square
 * @param initializerFactor a factor on the standard deviations of new weights
 * @param feedForwardProj the activation, {@code relu}, or with a gate {@code gated-gelu} (T5 1.1)
 * @param denseActFn the activation where files state it beside {@code feed_forward_proj}; it wins
 * @param isGatedAct whether there is a gate, likewise
 * @param scaleDecoderOutputs multiply what the decoder gives by 1/√d_model before the output matrix; absent: unless
 *     {@code tie_word_embeddings} is false, as transformers has it
 * @param tieWordEmbeddings a new model's output matrix is the embedding's; a folder's is unless it holds another
 * @param padTokenId the token that stands in for labels that don't count, in what the decoder reads
 * @param decoderStartTokenId the first token that the decoder reads; {@code pad_token_id} when absent
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int dModel,

        @Doc("The width of a head.") @Default("64") @Range(min = 1)
        int dKv,

        @Doc("The width inside the feed-forward part; in recipes 4 times d_model when absent.") @Range(min = 1)
        int dFf,

        @Doc("The number of blocks of the encoder.") @Range(min = 1)
        int numLayers,

        @Doc("The number of blocks of the decoder; as many as the encoder's when absent.") @Range(min = 1)
        Optional<Integer> numDecoderLayers,

        @Doc("The number of attention heads.") @Range(min = 1)
        int numHeads,

        @Doc("Buckets of distances with a bias each.") @Default("32") @Range(min = 4)
        int relativeAttentionNumBuckets,

        @Doc("The distance from which all share the last bucket.") @Default("128") @Range(min = 2)
        int relativeAttentionMaxDistance,

        @Doc("Dropout everywhere.") @Default("0.1") @Range(min = 0, max = 1, maxExclusive = true)
        double dropoutRate,

        @Doc("Added to the mean square in norms.") @Default("1e-6") @Range(min = 0, minExclusive = true)
        double layerNormEpsilon,

        @Doc("A factor on the standard deviations of new weights.") @Default("1") @Range(min = 0)
        double initializerFactor,

        @Doc("The activation, relu, or with a gate, gated-gelu.") @Default("relu")
        String feedForwardProj,

        @Doc("The activation, where it is not feed_forward_proj's.")
        Optional<String> denseActFn,

        @Doc("Whether there is a gate, where feed_forward_proj doesn't say it.")
        Optional<Boolean> isGatedAct,

        @Doc("Multiply what the decoder gives by 1/sqrt(d_model); absent: unless tie_word_embeddings is false.")
        Optional<Boolean> scaleDecoderOutputs,

        @Doc("The output matrix is the embedding's.") @Default("true")
        boolean tieWordEmbeddings,

        @Doc("The padding token.") @Default("0") @Range(min = 0)
        int padTokenId,

        @Doc("The first token that the decoder reads; pad_token_id when absent.") @Range(min = 0)
        Optional<Integer> decoderStartTokenId)
        implements EncoderDecoderConfig {
    private static final String GATED = "gated";

    /** Checks that the values fit together. */
    public Config {
        String[] parts = feedForwardProj.split("-", -1);
        if (parts.length > 2 || (parts.length == 2 && !parts[0].equals(GATED))) {
            throw new IllegalArgumentException(
                    "feed_forward_proj: found '%s', expected ACTIVATION or gated-ACTIVATION, such as relu or gated-gelu"
                            .formatted(feedForwardProj));
        }
        ModelConfig.checkActivation(
                denseActFn.isPresent() ? "dense_act_fn" : "feed_forward_proj", activation(denseActFn, feedForwardProj));
        if (relativeAttentionMaxDistance <= relativeAttentionNumBuckets / 2) {
            throw new IllegalArgumentException(
                    "relative_attention_max_distance: %d is not more than the %d distances that have a bucket each (half of relative_attention_num_buckets); raise it"
                            .formatted(relativeAttentionMaxDistance, relativeAttentionNumBuckets / 2));
        }
        if (padTokenId >= vocabSize) {
            throw new IllegalArgumentException(
                    "pad_token_id: %d is outside the vocabulary of %d".formatted(padTokenId, vocabSize));
        }
        if (decoderStartTokenId.isPresent() && decoderStartTokenId.get() >= vocabSize) {
            throw new IllegalArgumentException("decoder_start_token_id: %d is outside the vocabulary of %d"
                    .formatted(decoderStartTokenId.get(), vocabSize));
        }
    }

    private static String activation(Optional<String> denseActFn, String feedForwardProj) {
        if (denseActFn.isPresent()) {
            return denseActFn.get();
        }
        // The name under which T5 1.1 came means GELU's tanh form.
        return feedForwardProj.equals("gated-gelu")
                ? "gelu_new"
                : feedForwardProj.substring(feedForwardProj.indexOf('-') + 1);
    }

    @Override
    public int width() {
        return dModel;
    }

    @Override
    public int layers() {
        return numLayers;
    }

    /** {@inheritDoc} Distances have no end: there is no limit but memory. */
    @Override
    public int contextLength() {
        return Integer.MAX_VALUE;
    }

    @Override
    public int decoderStart() {
        return decoderStartTokenId.orElse(padTokenId);
    }

    @Override
    public int padding() {
        return padTokenId;
    }

    int decoderLayers() {
        return numDecoderLayers.orElse(numLayers);
    }

    String activation() {
        return activation(denseActFn, feedForwardProj);
    }

    boolean gated() {
        return isGatedAct.orElse(feedForwardProj.startsWith(GATED + "-"));
    }

    boolean scaled() {
        return scaleDecoderOutputs.orElse(tieWordEmbeddings);
    }
}
