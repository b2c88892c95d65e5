package quern.models;

/**
 * How a family's parameters lie in a Hugging Face checkpoint. Parameters in memory carry transformers' in-memory names.
 */
public interface CheckpointKeys {
    /**
     * The prefix of the base model's names ({@code transformer.}, {@code model.}). Checkpoints of the bare base model
     * have the names without it, and are read all the same.
     */
    String basePrefix();

    /** The name in the file of the parameter called {@code name} in memory. */
    default String onDisk(String name) {
        return name;
    }

    /** Whether the matrix called {@code name} in memory, [out, in] there, is [in, out] in transformers and the file. */
    default boolean isTransposed(String name) {
        return false;
    }

    /** Whether a tensor in a file is a buffer that older versions wrote and nobody reads. */
    default boolean isBuffer(String diskName) {
        return false;
    }
}
