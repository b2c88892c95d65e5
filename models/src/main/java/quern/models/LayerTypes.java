package quern.models;

import java.util.List;
import java.util.Optional;

/** The setting {@code layer_types}: what each block sees. */
public final class LayerTypes {
    /** The block's queries see the newest tokens only. */
    public static final String SLIDING = "sliding_attention";

    /** The block's queries see all tokens before them. */
    public static final String FULL = "full_attention";

    private LayerTypes() {}

    /** Refuses unknown types and a list of another length than there are blocks. */
    public static void check(Optional<List<String>> types, int layers) {
        if (types.isEmpty()) {
            return;
        }
        if (types.get().size() != layers) {
            throw new IllegalArgumentException("layer_types: %d types for %d blocks; give one for each"
                    .formatted(types.get().size(), layers));
        }
        for (String type : types.get()) {
            if (!type.equals(SLIDING) && !type.equals(FULL)) {
                throw new IllegalArgumentException(
                        "layer_types: unknown type '%s'; known are %s and %s".formatted(type, FULL, SLIDING));
            }
        }
    }

    /** Whether a block slides, by the list or, without one, {@code otherwise}. */
    public static boolean isSliding(Optional<List<String>> types, int layer, boolean otherwise) {
        return types.map(all -> all.get(layer).equals(SLIDING)).orElse(otherwise);
    }
}
