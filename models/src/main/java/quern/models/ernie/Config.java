package quern.models.ernie;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.bert.BertSettings;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Ernie's settings with the names and defaults of transformers' {@code ErnieConfig}, except that the sizes have no
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
 * @param maxPositionEmbeddings rows of the position table
 * @param typeVocabSize rows of the token-type table
 * @param taskTypeVocabSize rows of the task-type table
 * @param useTaskId whether a vector by each token's task is added, that of task 0 unless {@code task_type_ids} says more
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

        @Doc("The rows of the task-type table.") @Default("3") @Range(min = 1)
        int taskTypeVocabSize,

        @Doc("Whether a vector by each token's task is added.") @Default("false")
        boolean useTaskId,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the variance in norms.") @Default("1e-12") @Range(min = 0, minExclusive = true)
        double layerNormEps,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId,

        @Doc("Dropout before a head; hidden_dropout_prob when absent.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> classifierDropout,

        @Doc("Whether tokens see only earlier ones.") @Default("false")
        boolean isDecoder,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements BertSettings {

    /** Checks that the sizes fit together. */
    public Config {
        BertSettings.check(hiddenAct, hiddenSize, numAttentionHeads, vocabSize, padTokenId.orElse(0));
    }

    @Override
    public OptionalLong paddingRow() {
        return padTokenId.map(id -> OptionalLong.of(id)).orElse(OptionalLong.empty());
    }
}
