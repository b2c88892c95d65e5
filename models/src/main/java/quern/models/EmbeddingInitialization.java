package quern.models;

/** What the vectors of tokens start as that a model's vocabulary is extended by, in the embedding and in the head. */
public enum EmbeddingInitialization {
    /** The mean of the vectors of the tokens that the new one was cut into before. */
    PIECES,
    /** The mean of all vectors known before. */
    MEAN,
    /** Drawn as the vectors of a new model are. */
    NORMAL
}
