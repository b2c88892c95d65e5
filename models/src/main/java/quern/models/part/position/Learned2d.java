package quern.models.part.position;

import quern.models.part.Assembly;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.models.part.Stack;
import quern.nn.TokenEmbedding;
import quern.tensor.Parameter;

/**
 * Two learnt vectors a token, added to its own (GLM, Du et al. 2022, arXiv:2103.10360, section 2.1.1): one for its position in the
 * text, one for its position inside a span that is filled in, {@code block_positions} of the batch. Where a batch says nothing of
 * spans, as in a generation, all have block position 0.
 */
public final class Learned2d implements PartTechnique {
    /** The second positions' name beside the tokens. */
    public static final String BLOCKS = "block_positions";

    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "learned_2d";
    }

    @Override
    public String summary() {
        return "Learnt vectors for the position in the text and the one inside a span to fill in (GLM)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings; both tables have {@code max_position_embeddings} rows. */
    public record Config() implements PositionPart {
        @Override
        public boolean onlyInVectors() {
            return true;
        }

        @Override
        public Parameter table(Stack stack, Assembly a) {
            return rows(stack, a, "embed_positions");
        }

        @Override
        public TokenEmbedding embedding(TokenEmbedding embedding, Stack stack, Assembly a) {
            return embedding.withTypes(BLOCKS, rows(stack, a, "embed_block_positions"));
        }

        private static Parameter rows(Stack stack, Assembly a, String name) {
            return a.table(
                    Role.POSITIONS,
                    stack.prefix() + name,
                    a.config().maxPositionEmbeddings(),
                    a.config().hiddenSize());
        }
    }
}
