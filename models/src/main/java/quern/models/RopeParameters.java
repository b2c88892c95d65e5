package quern.models;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.models.internal.RopeTypes;
import quern.nn.Positions;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.recipe.Suggestion;

/**
 * Rotary position settings as transformers 5 writes them under {@code rope_parameters}. Which are used, and which must be
 * there, depends on {@code rope_type}: {@code default}, {@code linear}, {@code dynamic}, {@code yarn}, {@code llama3}, {@code longrope}.
 *
 * @param ropeType how frequencies are stretched for long contexts
 * @param ropeTheta the base of the wavelengths
 * @param factor by how much the context is stretched; not for {@code default}
 * @param originalMaxPositionEmbeddings the context before stretching (yarn, llama3, longrope); the model's own when absent
 * @param lowFreqFactor llama3: wavelengths above original / this are stretched
 * @param highFreqFactor llama3: wavelengths below original / this are kept
 * @param betaFast yarn: rotations over the original context from which a dimension is kept
 * @param betaSlow yarn: rotations below which a dimension is stretched
 * @param attentionFactor yarn: the factor on cos and sin; worked out from {@code factor} when absent
 * @param mscale yarn: with {@code mscaleAllDim}, another way to work that factor out
 * @param mscaleAllDim see {@code mscale}
 * @param truncate yarn: whether the bounds of the ramp are whole dimensions
 * @param shortFactor longrope: a factor for each pair of dimensions that divides its frequency in texts up to the original
 *     context
 * @param longFactor longrope: the same for longer texts
 * @param partialRotaryFactor the share of a head that turns, the first dimensions; all when absent
 */
public record RopeParameters(
        @Doc("How frequencies are stretched: default, linear, dynamic, yarn, llama3 or longrope.") @Default("default")
        String ropeType,

        @Doc("The base of the wavelengths.") @Default("10000") @Range(min = 1, minExclusive = true)
        double ropeTheta,

        @Range(min = 1) Optional<Double> factor,
        @Range(min = 1) Optional<Integer> originalMaxPositionEmbeddings,
        @Range(min = 0, minExclusive = true) Optional<Double> lowFreqFactor,
        @Range(min = 0, minExclusive = true) Optional<Double> highFreqFactor,
        @Range(min = 0, minExclusive = true) Optional<Double> betaFast,
        @Range(min = 0, minExclusive = true) Optional<Double> betaSlow,
        @Range(min = 0, minExclusive = true) Optional<Double> attentionFactor,
        Optional<Double> mscale,
        Optional<Double> mscaleAllDim,
        Optional<Boolean> truncate,
        Optional<List<Double>> shortFactor,
        Optional<List<Double>> longFactor,
        @Range(min = 0, minExclusive = true, max = 1) Optional<Double> partialRotaryFactor) {

    /** The keys each type takes beside {@code rope_theta}; the first ones are required. */
    private static final Map<String, List<String>> REQUIRED = Map.of(
            "default", List.of(),
            "linear", List.of("factor"),
            "dynamic", List.of("factor"),
            "yarn", List.of("factor"),
            "llama3", List.of("factor", "low_freq_factor", "high_freq_factor"),
            "longrope", List.of("short_factor", "long_factor"));

    /** The types that use the context before stretching; stated beside the parameters it comes first. */
    private static final Set<String> ORIGINAL_CONTEXT = Set.of("yarn", "llama3", "longrope");

    /** Those of the paper: base 10000, nothing stretched (Su et al. 2021, arXiv:2104.09864). */
    public static final RopeParameters ORIGINAL =
            Block.empty(Position.of("rope_parameters")).bind(RopeParameters.class);

    /** Checks that the type is known and has what it needs. */
    public RopeParameters {
        List<String> required = REQUIRED.get(ropeType);
        if (required == null) {
            throw new IllegalArgumentException("rope_type: unknown type '%s'%s; known: %s"
                    .formatted(
                            ropeType,
                            Suggestion.nearest(ropeType, REQUIRED.keySet())
                                    .map(" (did you mean '%s'?)"::formatted)
                                    .orElse(""),
                            String.join(
                                    ", ", REQUIRED.keySet().stream().sorted().toList())));
        }
        require(required, "factor", factor, ropeType);
        require(required, "short_factor", shortFactor, ropeType);
        require(required, "long_factor", longFactor, ropeType);
        require(required, "low_freq_factor", lowFreqFactor, ropeType);
        require(required, "high_freq_factor", highFreqFactor, ropeType);
        if (ropeType.equals("llama3") && highFreqFactor.orElseThrow() <= lowFreqFactor.orElseThrow()) {
            throw new IllegalArgumentException("high_freq_factor: %s is not above low_freq_factor %s"
                    .formatted(highFreqFactor.orElseThrow(), lowFreqFactor.orElseThrow()));
        }
    }

    private static void require(List<String> required, String key, Optional<?> value, String type) {
        if (required.contains(key) && value.isEmpty()) {
            throw new IllegalArgumentException("%s: missing; rope_type %s needs it".formatted(key, type));
        }
    }

    /**
     * Turns the spellings of older files, {@code rope_theta}, {@code partial_rotary_factor} and {@code rope_scaling} (with
     * {@code type}) at the top level, into {@code rope_parameters}, in place.
     *
     * @param where the file or place, for messages
     */
    public static void normalise(Map<String, Object> settings, String where) {
        Object scaling = settings.remove("rope_scaling");
        Object theta = settings.remove("rope_theta");
        Object share = settings.remove("partial_rotary_factor");
        Object found = settings.get("rope_parameters");
        if (found == null) {
            found = scaling;
        } else if (scaling != null && !scaling.equals(found)) {
            throw QuernException.badInput(
                    "%s: both rope_scaling and rope_parameters are there and differ; keep rope_parameters", where);
        }
        if (found == null && theta == null && share == null) {
            return;
        }
        if (found != null && !(found instanceof Map)) {
            throw QuernException.badInput("%s: rope_parameters: expected an object, found '%s'", where, found);
        }
        Map<String, Object> rope = new LinkedHashMap<>();
        if (found instanceof Map<?, ?> map) {
            map.forEach((key, value) -> {
                if (value != null) {
                    rope.put(String.valueOf(key), value);
                }
            });
        }
        Object oldType = rope.remove("type");
        if (oldType != null) {
            rope.putIfAbsent("rope_type", oldType);
        }
        if (theta != null) {
            rope.putIfAbsent("rope_theta", theta);
        }
        if (share != null) {
            rope.putIfAbsent("partial_rotary_factor", share);
        }
        Object original = settings.get("original_max_position_embeddings");
        if (original != null && ORIGINAL_CONTEXT.contains(rope.get("rope_type"))) {
            rope.put("original_max_position_embeddings", original);
        }
        settings.put("rope_parameters", rope);
    }

    /**
     * As above, for families in which a key that {@code rope_parameters} leaves out is another value than elsewhere. Where
     * there are no {@code rope_parameters} at all, the family's {@code Config} has the default.
     */
    public static void normalise(Map<String, Object> settings, String where, String key, double value) {
        normalise(settings, where);
        if (settings.get("rope_parameters") instanceof Map<?, ?> found && found.get(key) == null) {
            Map<String, Object> rope = new LinkedHashMap<>();
            found.forEach((name, given) -> rope.put(String.valueOf(name), given));
            rope.put(key, value);
            settings.put("rope_parameters", rope);
        }
    }

    /** How many of a head's dimensions turn, the first ones. */
    public int rotaryWidth(int headWidth) {
        return (int) (headWidth * partialRotaryFactor.orElse(1.0));
    }

    /**
     * How many turn in families where an odd {@link #rotaryWidth} takes one more along (GPT-NeoX, GLM); yarn's ramp knows
     * even ones only.
     */
    public int turningDimensions(int headWidth) {
        int width = rotaryWidth(headWidth);
        return ropeType.equals("yarn") ? width : Math.ceilDiv(width, 2) * 2;
    }

    /** For families whose heads turn as a whole: refuses a share below 1. */
    public void requireWholeHeads() {
        if (partialRotaryFactor.orElse(1.0) != 1) {
            throw new IllegalArgumentException(
                    "rope_parameters: partial_rotary_factor: %s, but heads of this family turn as a whole; leave it out"
                            .formatted(partialRotaryFactor.orElseThrow()));
        }
    }

    /** The positions of a model that was made for {@code maxPositionEmbeddings}, stretched where the type says so. */
    public int contextLength(int maxPositionEmbeddings) {
        // Only this type stretches a context beyond the one config.json states.
        return ropeType.equals("dynamic")
                ? (int) (maxPositionEmbeddings * factor.orElseThrow())
                : maxPositionEmbeddings;
    }

    /** Checks what depends on how many dimensions of a head turn. */
    public void requireWidth(int rotaryWidth) {
        if (ropeType.equals("longrope")) {
            requireLength("short_factor", shortFactor.orElseThrow(), rotaryWidth);
            requireLength("long_factor", longFactor.orElseThrow(), rotaryWidth);
        }
    }

    private static void requireLength(String key, List<Double> factors, int rotaryWidth) {
        if (factors.size() != rotaryWidth / 2) {
            throw new IllegalArgumentException(
                    "rope_parameters: %s: %d factors, expected %d, one for each pair of dimensions"
                            .formatted(key, factors.size(), rotaryWidth / 2));
        }
    }

    /** The same for a model whose file states the context before stretching beside these parameters. */
    public RopeParameters withOriginalContext(int positions) {
        return new RopeParameters(
                ropeType,
                ropeTheta,
                factor,
                Optional.of(positions),
                lowFreqFactor,
                highFreqFactor,
                betaFast,
                betaSlow,
                attentionFactor,
                mscale,
                mscaleAllDim,
                truncate,
                shortFactor,
                longFactor,
                partialRotaryFactor);
    }

    /** The frequencies when {@code rotaryWidth} dimensions of a head turn in a model of {@code contextLength} positions. */
    public Positions.RotaryFrequencies frequencies(int rotaryWidth, int contextLength) {
        return RopeTypes.of(this, rotaryWidth, contextLength);
    }
}
