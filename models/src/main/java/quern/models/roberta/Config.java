package quern.models.roberta;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.bert.BertSettings;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Roberta's settings with the names and defaults of transformers' {@code RobertaConfig}, except that the sizes have no
 * defaults.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width of the residual stream
 * @param numHiddenLayers blocks
 * @param numAttentionHeads heads
 * @param intermediateSize width inside the feed-forward part; recipes may leave it out
 * @param hiddenAct its activation
 * @param hiddenDropoutProb dropout after the embedding and on what each part adds to the residual stream
 * @param attentionProbsDropoutProb dropout on attention patterns
 * @param maxPositionEmbeddings rows of the position table, the first {@code pad_token_id + 1} of which stand for no position
 * @param typeVocabSize rows of the token-type table
 * @param initializerRange standard deviation of new weights
 * @param layerNormEps added to the variance in norms
 * @param padTokenId the padding token, whose embedding starts at 0 and is never trained as an input
 * @param classifierDropout dropout before a head; {@code hidden_dropout_prob} when absent
 * @param isDecoder tokens see only earlier ones
 * @param tieWordEmbeddings the head shares the embedding's matrix
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of blocks.") @Range(min = 1) int numHiddenLayers,

        @Doc("The number of heads; divides hidden_size.") @Range(min = 1)
        int numAttentionHeads,

        @Doc("The width inside the feed-forward part; in recipes 4 hidden_size when absent.") @Range(min = 1)
        int intermediateSize,

        @Doc("The activation of the feed-forward part.") @Default("gelu")
        String hiddenAct,

        @Doc("Dropout after the embedding and on what each part adds to the residual stream.")
        @Default("0.1")
        @Range(min = 0, max = 1, maxExclusive = true)
        double hiddenDropoutProb,

        @Doc("Dropout on attention patterns.") @Default("0.1") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionProbsDropoutProb,

        @Doc("The rows of the position table.") @Default("512") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The rows of the token-type table.") @Default("2") @Range(min = 1)
        int typeVocabSize,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the variance in norms.") @Default("1e-12") @Range(min = 0, minExclusive = true)
        double layerNormEps,

        @Doc(
                "The padding token, whose embedding is not trained as an input; positions count from the row after its own.")
        @Default("1")
        @Range(min = 0)
        int padTokenId,

        @Doc("Dropout before a head; hidden_dropout_prob when absent.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> classifierDropout,

        @Doc("Whether tokens see only earlier ones.") @Default("false")
        boolean isDecoder,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements BertSettings {

    /** Checks that the sizes fit together. */
    public Config {
        BertSettings.check(hiddenAct, hiddenSize, numAttentionHeads, vocabSize, padTokenId);
        if (maxPositionEmbeddings - 1 <= padTokenId) {
            throw new IllegalArgumentException(
                    "max_position_embeddings: %d rows leave no position after the padding's %d; raise it"
                            .formatted(maxPositionEmbeddings, padTokenId));
        }
    }

    @Override
    public int contextLength() {
        return maxPositionEmbeddings - firstPosition();
    }

    /** The row of the first position. */
    int firstPosition() {
        return padTokenId + 1;
    }

    @Override
    public OptionalLong paddingRow() {
        return OptionalLong.of(padTokenId);
    }
}
