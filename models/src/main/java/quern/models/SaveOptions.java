package quern.models;

import java.util.Optional;
import quern.tensor.DType;

/**
 * How a model is written.
 *
 * @param dtype the dtype of the weights in the file; the model's own when empty
 * @param maxShardBytes the most bytes of weights a file holds; a larger model is written in shards
 * @param card the README.md; none is written when empty
 */
public record SaveOptions(Optional<DType> dtype, long maxShardBytes, Optional<ModelCard> card) {
    /** Shards of 5 GB, as many hubs want at most. */
    public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

    /** The model's own dtype, shards of 5 GB, no card. */
    public static final SaveOptions DEFAULT = new SaveOptions(Optional.empty(), DEFAULT_SHARD_BYTES, Optional.empty());

    /** The same with a card. */
    public SaveOptions withCard(ModelCard card) {
        return new SaveOptions(dtype, maxShardBytes, Optional.of(card));
    }

    /** The same with another dtype. */
    public SaveOptions withDtype(DType dtype) {
        return new SaveOptions(Optional.of(dtype), maxShardBytes, card);
    }

    /** The same with other shards. */
    public SaveOptions withMaxShardBytes(long bytes) {
        return new SaveOptions(dtype, bytes, card);
    }
}
