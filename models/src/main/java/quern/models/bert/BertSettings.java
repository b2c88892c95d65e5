package quern.models.bert;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.ModelConfig;

/** The settings that BERT and the families that follow it have in common. */
public interface BertSettings extends ModelConfig {
    /** Width of the residual stream. */
    int hiddenSize();

    /** Blocks. */
    int numHiddenLayers();

    /** Heads. */
    int numAttentionHeads();

    /** Width inside the feed-forward part. */
    int intermediateSize();

    /** Its activation. */
    String hiddenAct();

    /** Dropout after the embedding and on what each part adds to the residual stream. */
    double hiddenDropoutProb();

    /** Dropout on attention patterns. */
    double attentionProbsDropoutProb();

    /** Rows of the position table. */
    int maxPositionEmbeddings();

    /** Rows of the token-type table. */
    int typeVocabSize();

    /** Standard deviation of new weights. */
    double initializerRange();

    /** Added to the variance in norms. */
    double layerNormEps();

    /** Dropout before a head; {@link #hiddenDropoutProb} when absent. */
    Optional<Double> classifierDropout();

    /** Whether tokens see only earlier ones. */
    boolean isDecoder();

    /** Whether the head shares the embedding's matrix. */
    boolean tieWordEmbeddings();

    @Override
    default int width() {
        return hiddenSize();
    }

    @Override
    default int layers() {
        return numHiddenLayers();
    }

    @Override
    default int contextLength() {
        return maxPositionEmbeddings();
    }

    /** The row of the padding token, whose embedding isn't trained as an input. */
    OptionalLong paddingRow();

    /** Checks that the sizes fit together. */
    static void check(String hiddenAct, int hiddenSize, int numAttentionHeads, int vocabSize, int padTokenId) {
        ModelConfig.checkActivation("hidden_act", hiddenAct);
        if (hiddenSize % numAttentionHeads != 0) {
            throw new IllegalArgumentException(
                    "num_attention_heads: %d heads don't divide hidden_size %d; choose a divisor"
                            .formatted(numAttentionHeads, hiddenSize));
        }
        if (padTokenId < 0 || padTokenId >= vocabSize) {
            throw new IllegalArgumentException(
                    "pad_token_id: %d is outside the vocabulary of %d".formatted(padTokenId, vocabSize));
        }
    }
}
