package quern.nn;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/**
 * What a training adds to a model's own forward pass and loss so that it generalises. A {@link Pass} carries it, and only
 * a training pass can, so evaluation and generation never see it. Segments say by {@link Segment#regularizers()} which
 * kinds have an effect on them.
 *
 * <p>With logits x over V classes, target t, ln Z = ln Σ exp x and ln p = x - ln Z, the loss of a row is
 *
 * <pre>
 * -(1-ε) ln p_t - ε/V Σ_v ln p_v + ζ (ln Z)²
 * </pre>
 *
 * where ε is the label smoothing (Szegedy et al. 2016, arXiv:1512.00567; as Hugging Face's {@code LabelSmoother} and
 * torch's {@code cross_entropy} have it) and ζ the coefficient of the z-loss (Chowdhery et al. 2022, arXiv:2204.02311).
 *
 * @param dropout rates that stand in for the model's own; a place that is absent keeps the model's rate
 * @param labelSmoothing ε, 0 for none
 * @param zLoss ζ, 0 for none
 * @param embeddingNoise α of NEFTune (Jain et al. 2023, arXiv:2310.05914): token vectors [B, T, D] get noise drawn
 *     uniformly from ±α/√(T·D) right after the lookup, T with padding, as in Hugging Face's trainer; 0 for none
 */
public record Regularization(Map<Place, Double> dropout, double labelSmoothing, double zLoss, double embeddingNoise) {
    /** Where activations are dropped out. */
    public enum Place {
        /** What the embedding gives. */
        EMBEDDING(Kind.EMBEDDING_DROPOUT),
        /** The pattern of attention, self and cross. */
        ATTENTION(Kind.ATTENTION_DROPOUT),
        /** What each branch of a block adds to the residual stream. */
        RESIDUAL(Kind.RESIDUAL_DROPOUT),
        /** The inner features of feed-forward parts, behind the activation. */
        FEED_FORWARD(Kind.FEED_FORWARD_DROPOUT);

        private final Kind kind;

        Place(Kind kind) {
            this.kind = kind;
        }

        /** The kind of regularization that dropout here is. */
        public Kind kind() {
            return kind;
        }
    }

    /** What a segment may have an effect from. */
    public enum Kind {
        /** Dropout at {@link Place#EMBEDDING}. */
        EMBEDDING_DROPOUT,
        /** Dropout at {@link Place#ATTENTION}. */
        ATTENTION_DROPOUT,
        /** Dropout at {@link Place#RESIDUAL}. */
        RESIDUAL_DROPOUT,
        /** Dropout at {@link Place#FEED_FORWARD}. */
        FEED_FORWARD_DROPOUT,
        /** {@link Regularization#labelSmoothing}. */
        LABEL_SMOOTHING,
        /** {@link Regularization#zLoss}. */
        Z_LOSS,
        /** {@link Regularization#embeddingNoise}. */
        EMBEDDING_NOISE
    }

    /** The model as it is. */
    public static final Regularization NONE = new Regularization(Map.of(), 0, 0, 0);

    /** What a softmax over classes has an effect from. */
    static final Set<Kind> OF_SOFTMAX = Set.of(Kind.LABEL_SMOOTHING, Kind.Z_LOSS);

    /** Checks the ranges. */
    public Regularization {
        EnumMap<Place, Double> rates = new EnumMap<>(Place.class);
        rates.putAll(dropout);
        rates.forEach((place, rate) -> {
            if (!(rate >= 0 && rate < 1)) {
                throw new IllegalArgumentException("dropout: found " + rate + ", expected 0 or more and less than 1");
            }
        });
        dropout = java.util.Collections.unmodifiableMap(rates);
        if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
            throw new IllegalArgumentException("label smoothing: found " + labelSmoothing + ", expected 0 to 1");
        }
        if (!(zLoss >= 0 && zLoss < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("z-loss: found " + zLoss + ", expected a finite number of 0 or more");
        }
        if (!(embeddingNoise >= 0 && embeddingNoise < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "embedding noise: found " + embeddingNoise + ", expected a finite number of 0 or more");
        }
    }

    /** What is asked for: rates of dropout, 0 too, since that may turn the model's own off, and every other above 0. */
    public Set<Kind> kinds() {
        Set<Kind> kinds = EnumSet.noneOf(Kind.class);
        dropout.keySet().forEach(place -> kinds.add(place.kind()));
        if (labelSmoothing > 0) {
            kinds.add(Kind.LABEL_SMOOTHING);
        }
        if (zLoss > 0) {
            kinds.add(Kind.Z_LOSS);
        }
        if (embeddingNoise > 0) {
            kinds.add(Kind.EMBEDDING_NOISE);
        }
        return kinds;
    }
}
