package quern.models.custom;

import quern.models.ConfigChecks;
import quern.models.part.Composition;
import quern.models.part.NormPlacement;
import quern.models.part.Parts;

/** What the parts and keys of a composed model ask of each other. Each refusal names a key and says why. */
final class Rules {
    private Rules() {}

    static void check(Config c) {
        Parts parts = c.parts();
        if (c.headDim().isEmpty() && parts.attention().takesHeadDim()) {
            ConfigChecks.heads("num_attention_heads", c.numAttentionHeads(), "hidden_size", c.hiddenSize());
        }
        c.keyValueHeads();
        parts.all().forEach(part -> part.check(c));
        checkPatterns(c);
        if (c.embeddingSize().filter(e -> e >= c.hiddenSize()).isPresent()) {
            throw new IllegalArgumentException(
                    "embedding_size: %d is not below hidden_size %d, so it would save nothing; lower it, or leave it out"
                            .formatted(c.embeddingSize().get(), c.hiddenSize()));
        }
        if (c.parallelResidual() && c.normPlacement() != NormPlacement.PRE) {
            throw new IllegalArgumentException(
                    "parallel_residual: branches side by side read the stream behind norms of their own; set norm_placement: pre");
        }
        if (c.parallelResidual() && c.hasEncoder()) {
            throw new IllegalArgumentException(
                    "parallel_residual: a decoder beside an encoder has three branches, of which each needs the one before; leave it out");
        }
        if (!c.hasEncoder() && c.numEncoderLayers().isPresent()) {
            throw new IllegalArgumentException(
                    "num_encoder_layers: only structure: encoder_decoder has an encoder of its own; leave it out");
        }
        if (!c.hasEncoder() && c.decoderStartTokenId().isPresent()) {
            throw new IllegalArgumentException(
                    "decoder_start_token_id: only the decoder of structure: encoder_decoder begins with it; leave it out");
        }
        if (c.headDim().isPresent() && !parts.attention().takesHeadDim()) {
            throw new IllegalArgumentException("head_dim: attention: %s has widths of its own; leave it out"
                    .formatted(c.attention().text("type")));
        }
    }

    private static void checkPatterns(Composition c) {
        Parts parts = c.parts();
        int layers = Math.max(c.numHiddenLayers(), c.hasEncoder() ? c.encoderLayers() : 0);
        if (parts.patterns().size() > layers) {
            throw new IllegalArgumentException(
                    "attention_pattern: %d patterns for %d blocks; name no more than there are"
                            .formatted(parts.patterns().size(), layers));
        }
    }
}
