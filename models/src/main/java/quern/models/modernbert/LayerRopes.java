package quern.models.modernbert;

import quern.models.RopeParameters;
import quern.recipe.Default;
import quern.recipe.Doc;

/**
 * The rotary positions of both kinds of layers.
 *
 * @param fullAttention of layers that see the whole text
 * @param slidingAttention of layers that see their neighbourhood
 */
public record LayerRopes(
        @Doc("Of layers that see the whole text.") @Default("{rope_theta: 160000}")
        RopeParameters fullAttention,

        @Doc("Of layers that see their neighbourhood.") @Default("{rope_theta: 10000}")
        RopeParameters slidingAttention) {}
