package quern.models.part.position;

import quern.models.RopeParameters;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.models.part.Stack;
import quern.nn.Positions;
import quern.nn.SelfAttention;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.Range;

/** Rotary positions (Su et al. 2021, arXiv:2104.09864): pairs of dimensions of queries and keys turn by angles that grow with
 * the position. With a share below 1 the rest of a head knows no position (GPT-J, GPT-NeoX). */
public final class Rotary implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "rotary";
    }

    @Override
    public String summary() {
        return "Rotary positions: queries and keys turn with the position, all of a head or a share of it";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** Which dimensions of those that turn make a pair. */
    public enum Pairing {
        /** The i-th of the first half with the i-th of the second, as in Llama. */
        HALVES,
        /** Neighbours, as in the paper and GPT-J. */
        NEIGHBOURS
    }

    /**
     * The settings.
     *
     * @param ropeTheta the base of the angles' geometric series
     * @param partialRotaryFactor the share of a head's dimensions that turn, the first ones
     * @param pairing which of them make a pair
     */
    public record Config(
            @Doc("The base of the angles' geometric series.") @Default("10000") @Range(min = 0, minExclusive = true)
            double ropeTheta,

            @Doc("The share of a head's dimensions that turn.")
            @Default("1")
            @Range(min = 0, minExclusive = true, max = 1)
            double partialRotaryFactor,

            @Doc("Which dimensions make a pair.") @Default("halves")
            Pairing pairing)
            implements PositionPart {
        @Override
        public void check(Composition c) {
            int turning = rope().rotaryWidth(c.parts().attention().rotaryHeadWidth(c));
            if (turning < 2 || turning % 2 != 0) {
                throw new IllegalArgumentException(
                        "position: rotary turns %d of the %d dimensions of a head; it turns pairs, so the number must be even and not 0: change head_dim or partial_rotary_factor"
                                .formatted(turning, c.parts().attention().rotaryHeadWidth(c)));
            }
        }

        /** As families have it. */
        public RopeParameters rope() {
            return Block.empty(Position.of("position"))
                    .with("rope_theta", ropeTheta)
                    .with("partial_rotary_factor", partialRotaryFactor)
                    .bind(RopeParameters.class);
        }

        @Override
        public boolean rotates() {
            return true;
        }

        @Override
        public Positions positions(Positions positions, Stack stack, Composition c) {
            RopeParameters rope = rope();
            return positions.withRotary(
                    "rotary",
                    rope.frequencies(
                            rope.rotaryWidth(c.parts().attention().rotaryHeadWidth(c)), c.maxPositionEmbeddings()));
        }

        @Override
        public SelfAttention attention(SelfAttention attention, BlockSite site) {
            return pairing == Pairing.HALVES ? attention : attention.withRotary(quern.nn.Rotary.Pairing.NEIGHBOURS);
        }
    }
}
