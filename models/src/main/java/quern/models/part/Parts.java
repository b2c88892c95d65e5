package quern.models.part;

import java.util.ArrayList;
import java.util.List;
import quern.recipe.Block;
import quern.recipe.Techniques;

/**
 * The chosen parts of a model.
 *
 * @param structure how stacks make the model
 * @param position how it knows where a token stands
 * @param norm its norms
 * @param feedForward the feed-forward part of its blocks
 * @param attention their attention, or what stands in its place
 * @param patterns what attention sees: block i has the one at i modulo their number
 * @param recurrence what is carried from one stretch of a text to the next
 * @param sharing which blocks are the same
 * @param initialization what new weights are drawn from
 */
public record Parts(
        StructurePart structure,
        PositionPart position,
        NormPart norm,
        FeedForwardPart feedForward,
        AttentionPart attention,
        List<PatternPart> patterns,
        RecurrencePart recurrence,
        SharingPart sharing,
        InitializationPart initialization) {

    /**
     * The part that a block chooses.
     *
     * @param kind what a recipe calls the kind of part
     * @param type what parts of this kind are
     * @param chosen a block with {@code type} and the part's settings
     */
    public static <P> P chosen(String kind, Class<P> type, Block chosen) {
        PartTechnique technique =
                Techniques.find(PartTechnique.class, kind, chosen.text("type"), chosen.position("type"));
        return type.cast(chosen.without("type").bind(technique.config()));
    }

    /** The pattern of a block. */
    public PatternPart pattern(int layer) {
        return patterns.get(layer % patterns.size());
    }

    /** The name of the mask that a block's attention reads; patterns that are equal share one. */
    public String maskName(int layer) {
        int first = patterns.indexOf(pattern(layer));
        return first == 0 ? "mask" : "mask_" + first;
    }

    /** All of them. */
    public List<ComposedPart> all() {
        List<ComposedPart> all = new ArrayList<>(List.of(structure, position, norm, feedForward, attention));
        all.addAll(patterns);
        all.addAll(List.of(recurrence, sharing, initialization));
        return all;
    }
}
