package quern.models.part.position;

import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.nn.Mask;

/** Attention with linear biases (Press et al. 2022, arXiv:2108.12409): scores fall with the distance between query and key, in
 * each head at a fixed rate of its own. Where queries see later keys too, the distance counts on both sides. */
public final class Alibi implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "alibi";
    }

    @Override
    public String summary() {
        return "ALiBi: scores fall linearly with distance, each head at its own rate";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements PositionPart {
        @Override
        public Mask mask(Mask mask, Composition c) {
            Mask.Alibi biases = Mask.Alibi.of(c.numAttentionHeads());
            return mask.with(c.attentionSinks() ? biases.ofDistances() : biases);
        }
    }
}
