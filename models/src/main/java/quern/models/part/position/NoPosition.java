package quern.models.part.position;

import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;

/** No positions. A causal model can still tell order, since each token sees another number of keys (NoPE, Haviv et al. 2022,
 * arXiv:2203.16634; Kazemnejad et al. 2023, arXiv:2305.19466). */
public final class NoPosition implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "none";
    }

    @Override
    public String summary() {
        return "No positions: order is known from the causal mask alone";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements PositionPart {
        @Override
        public boolean onlyInVectors() {
            return true;
        }

        @Override
        public void check(Composition c) {
            if (c.parts().structure().stacks(c).stream()
                    .anyMatch(s -> s.readsInput() && s.mask().ahead())) {
                throw new IllegalArgumentException(
                        "position: none, but an encoder sees all tokens at once, so that their order would be lost; choose positions");
            }
        }
    }
}
