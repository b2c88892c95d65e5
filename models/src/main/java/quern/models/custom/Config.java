package quern.models.custom;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import quern.models.ConfigChecks;
import quern.models.part.AttentionPart;
import quern.models.part.Composition;
import quern.models.part.FeedForwardPart;
import quern.models.part.InitializationPart;
import quern.models.part.NormPart;
import quern.models.part.NormPlacement;
import quern.models.part.Parts;
import quern.models.part.PatternPart;
import quern.models.part.PositionPart;
import quern.models.part.RecurrencePart;
import quern.models.part.SharingPart;
import quern.models.part.Stack;
import quern.models.part.StructurePart;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.recipe.Shorthand;

/**
 * The settings of a composed model. A part is chosen by its bare id or by a block with its id under {@code type} and its
 * settings beside it. A key that would have no effect on the chosen parts is refused.
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("How stacks of blocks make the model.") @Default("decoder") @Shorthand("type")
        Block structure,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int hiddenSize,

        @Doc("The width of token vectors where it is less than hidden_size: a factorised embedding (ALBERT).")
        @Range(min = 1)
        Optional<Integer> embeddingSize,

        @Doc("The number of blocks; beside an encoder those of the decoder.") @Range(min = 1)
        int numHiddenLayers,

        @Doc("The number of blocks of the encoder of an encoder_decoder; num_hidden_layers when absent.")
        @Range(min = 1)
        Optional<Integer> numEncoderLayers,

        @Doc("The number of query heads.") @Range(min = 1) int numAttentionHeads,

        @Doc("The number of key and value heads of gqa; divides num_attention_heads.") @Range(min = 1)
        Optional<Integer> numKeyValueHeads,

        @Doc("The width of a head; hidden_size / num_attention_heads when absent.") @Range(min = 1)
        Optional<Integer> headDim,

        @Doc("The width inside the feed-forward part; the part's own rule when absent.") @Range(min = 1)
        Optional<Integer> intermediateSize,

        @Doc("The positions the model is made for; with recurrence those of a row of training.")
        @Default("1024")
        @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("How the model knows where a token stands.") @Default("rotary") @Shorthand("type")
        Block position,

        @Doc("The norms.") @Default("rms_norm") @Shorthand("type")
        Block norm,

        @Doc("Where the norms of a block stand.") @Default("pre")
        NormPlacement normPlacement,

        @Doc("Norm queries and keys of self-attention head by head.") @Default("false")
        boolean qkNorm,

        @Doc("A norm after the embedding.") @Default("false")
        boolean embeddingNorm,

        @Doc("The feed-forward part.") @Default("swiglu") @Shorthand("type")
        Block feedForward,

        @Doc("Attention, or what mixes tokens in its place.") @Default("mha") @Shorthand("type")
        Block attention,

        @Doc("What attention sees; a list is cycled over the blocks.") @Default("[full]") @Shorthand("type")
        List<Block> attentionPattern,

        @Doc("What is carried from one stretch of a text to the next.") @Default("none") @Shorthand("type")
        Block recurrence,

        @Doc("Which blocks are the same.") @Default("none") @Shorthand("type")
        Block weightSharing,

        @Doc("What new weights are drawn from.") @Default("normal") @Shorthand("type")
        Block initialization,

        @Doc("Attention and feed-forward part side by side, each behind its norm.") @Default("false")
        boolean parallelResidual,

        @Doc("Biases in the attention's maps.") @Default("false")
        boolean attentionBias,

        @Doc("Biases in the feed-forward part's maps.") @Default("false")
        boolean mlpBias,

        @Doc("Scores of self-attention become cap * tanh(score / cap).") @Range(min = 0, minExclusive = true)
        Optional<Double> attnLogitSoftcapping,

        @Doc("Logits become cap * tanh(logit / cap).") @Range(min = 0, minExclusive = true)
        Optional<Double> finalLogitSoftcapping,

        @Doc("A learnt logit a head that takes part in softmax and points at no token.") @Default("false")
        boolean attentionSinks,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double residualDropout,

        @Doc("Dropout after the embedding.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double embeddingDropout,

        @Doc("The standard deviation of new weights, for initializations that take one; 0.02 when absent.")
        @Range(min = 0)
        Optional<Double> initializerRange,

        @Doc("Share the embedding's matrix with the head.") @Default("false")
        boolean tieWordEmbeddings,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId,

        @Doc("The first token that the decoder of an encoder_decoder reads; pad_token_id, or 0, when absent.")
        @Range(min = 0)
        Optional<Integer> decoderStartTokenId)
        implements Composition {

    /** Checks that sizes and parts fit together. */
    public Config(
            int vocabSize,
            Block structure,
            int hiddenSize,
            Optional<Integer> embeddingSize,
            int numHiddenLayers,
            Optional<Integer> numEncoderLayers,
            int numAttentionHeads,
            Optional<Integer> numKeyValueHeads,
            Optional<Integer> headDim,
            Optional<Integer> intermediateSize,
            int maxPositionEmbeddings,
            Block position,
            Block norm,
            NormPlacement normPlacement,
            boolean qkNorm,
            boolean embeddingNorm,
            Block feedForward,
            Block attention,
            List<Block> attentionPattern,
            Block recurrence,
            Block weightSharing,
            Block initialization,
            boolean parallelResidual,
            boolean attentionBias,
            boolean mlpBias,
            Optional<Double> attnLogitSoftcapping,
            Optional<Double> finalLogitSoftcapping,
            boolean attentionSinks,
            double attentionDropout,
            double residualDropout,
            double embeddingDropout,
            Optional<Double> initializerRange,
            boolean tieWordEmbeddings,
            Optional<Integer> padTokenId,
            Optional<Integer> decoderStartTokenId) {
        this.vocabSize = vocabSize;
        this.structure = structure;
        this.hiddenSize = hiddenSize;
        this.embeddingSize = embeddingSize;
        this.numHiddenLayers = numHiddenLayers;
        this.numEncoderLayers = numEncoderLayers;
        this.numAttentionHeads = numAttentionHeads;
        this.numKeyValueHeads = numKeyValueHeads;
        this.headDim = headDim;
        this.intermediateSize = intermediateSize;
        this.maxPositionEmbeddings = maxPositionEmbeddings;
        this.position = position;
        this.norm = norm;
        this.normPlacement = normPlacement;
        this.qkNorm = qkNorm;
        this.embeddingNorm = embeddingNorm;
        this.feedForward = feedForward;
        this.attention = attention;
        this.attentionPattern = attentionPattern;
        this.recurrence = recurrence;
        this.weightSharing = weightSharing;
        this.initialization = initialization;
        this.parallelResidual = parallelResidual;
        this.attentionBias = attentionBias;
        this.mlpBias = mlpBias;
        this.attnLogitSoftcapping = attnLogitSoftcapping;
        this.finalLogitSoftcapping = finalLogitSoftcapping;
        this.attentionSinks = attentionSinks;
        this.attentionDropout = attentionDropout;
        this.residualDropout = residualDropout;
        this.embeddingDropout = embeddingDropout;
        this.initializerRange = initializerRange;
        this.tieWordEmbeddings = tieWordEmbeddings;
        this.padTokenId = padTokenId;
        this.decoderStartTokenId = decoderStartTokenId;
        ConfigChecks.padding(padTokenId, vocabSize);
        if (decoderStartTokenId.isPresent() && decoderStartTokenId.get() >= vocabSize) {
            throw new IllegalArgumentException("decoder_start_token_id: %d is outside the vocabulary of %d"
                    .formatted(decoderStartTokenId.get(), vocabSize));
        }
        if (attentionPattern.isEmpty()) {
            throw new IllegalArgumentException("attention_pattern: an empty list; name at least one, such as full");
        }
        Rules.check(this);
    }

    @Override
    public Parts parts() {
        return new Parts(
                Parts.chosen(StructurePart.KIND, StructurePart.class, structure),
                Parts.chosen(PositionPart.KIND, PositionPart.class, position),
                Parts.chosen(NormPart.KIND, NormPart.class, norm),
                Parts.chosen(FeedForwardPart.KIND, FeedForwardPart.class, feedForward),
                Parts.chosen(AttentionPart.KIND, AttentionPart.class, attention),
                attentionPattern.stream()
                        .map(p -> Parts.chosen(PatternPart.KIND, PatternPart.class, p))
                        .toList(),
                Parts.chosen(RecurrencePart.KIND, RecurrencePart.class, recurrence),
                Parts.chosen(SharingPart.KIND, SharingPart.class, weightSharing),
                Parts.chosen(InitializationPart.KIND, InitializationPart.class, initialization));
    }

    @Override
    public int width() {
        return hiddenSize;
    }

    @Override
    public int layers() {
        return numHiddenLayers;
    }

    @Override
    public int contextLength() {
        return Parts.chosen(RecurrencePart.KIND, RecurrencePart.class, recurrence)
                        .isEndless()
                ? Integer.MAX_VALUE
                : maxPositionEmbeddings;
    }

    @Override
    public int passMultiple() {
        return Parts.chosen(RecurrencePart.KIND, RecurrencePart.class, recurrence)
                .passMultiple();
    }

    @Override
    public int longestPass() {
        return maxPositionEmbeddings;
    }

    @Override
    public int encoderLayers() {
        return numEncoderLayers.orElse(numHiddenLayers);
    }

    @Override
    public int headWidth() {
        return headDim.orElse(hiddenSize / numAttentionHeads);
    }

    @Override
    public int keyValueHeads() {
        return Parts.chosen(AttentionPart.KIND, AttentionPart.class, attention)
                .keyValueHeads(numAttentionHeads, numKeyValueHeads.orElse(null));
    }

    @Override
    public int innerWidth() {
        return intermediateSize.orElseGet(() -> Parts.chosen(FeedForwardPart.KIND, FeedForwardPart.class, feedForward)
                .defaultInnerWidth(hiddenSize));
    }

    @Override
    public OptionalLong paddingRow() {
        return ConfigChecks.paddingRow(padTokenId, vocabSize);
    }

    @Override
    public boolean hasEncoder() {
        return Parts.chosen(StructurePart.KIND, StructurePart.class, structure).stacks(this).stream()
                .anyMatch(Stack::cross);
    }

    @Override
    public int decoderStart() {
        return decoderStartTokenId.orElse(padding());
    }

    @Override
    public int padding() {
        return (int) paddingRow().orElse(0);
    }
}
