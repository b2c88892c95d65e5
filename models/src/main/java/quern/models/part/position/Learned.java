package quern.models.part.position;

import quern.models.part.Assembly;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.models.part.Stack;
import quern.tensor.Parameter;

/** A learnt vector for each position, added to the token vectors (Gehring et al. 2017, arXiv:1705.03122; GPT-2, BERT). */
public final class Learned implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "learned";
    }

    @Override
    public String summary() {
        return "A learnt vector a position, added to the token vectors (GPT-2, BERT)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings; the table has {@code max_position_embeddings} rows. */
    public record Config() implements PositionPart {
        @Override
        public boolean onlyInVectors() {
            return true;
        }

        @Override
        public Parameter table(Stack stack, Assembly a) {
            return a.table(
                    Role.POSITIONS,
                    stack.prefix() + "embed_positions",
                    a.config().maxPositionEmbeddings(),
                    a.config().hiddenSize());
        }
    }
}
