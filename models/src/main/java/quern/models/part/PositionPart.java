package quern.models.part;

import java.util.List;
import quern.nn.Mask;
import quern.nn.Positions;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;

/** How a model knows where a token stands. Each method is one of the places where positions can come in. */
public interface PositionPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "position";

    /** The embedding of a stack, with what is added to token vectors. */
    default TokenEmbedding embedding(TokenEmbedding embedding, Stack stack, Assembly assembly) {
        return embedding;
    }

    /** A table of position vectors for {@code stack}'s embedding; {@code null} for none. */
    default quern.tensor.Parameter table(Stack stack, Assembly assembly) {
        return null;
    }

    /** Segments before the one that makes masks: biases by distance. */
    default List<Segment> before(Stack stack, Assembly assembly) {
        return List.of();
    }

    /** What makes masks and tables for a stack's blocks, with what these positions need. */
    default Positions positions(Positions positions, Stack stack, Composition c) {
        return positions;
    }

    /** A mask, with biases by distance where there are some. */
    default Mask mask(Mask mask, Composition c) {
        return mask;
    }

    /** Whether all there is to these positions, if anything, is added to token vectors, so that they need no order of keys. */
    default boolean onlyInVectors() {
        return false;
    }

    /** Whether queries and keys turn. */
    default boolean rotates() {
        return false;
    }

    /** The self-attention of a block, with what these positions need. */
    default SelfAttention attention(SelfAttention attention, BlockSite site) {
        return attention;
    }
}
