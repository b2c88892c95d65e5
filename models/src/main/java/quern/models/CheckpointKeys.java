package quern.models;

import java.util.List;

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

    /** A tensor of a file that holds a stretch of a parameter's elements. */
    record Part(String name, long... shape) {}

    /**
     * The tensors of a file whose elements, one after the other, are those of the parameter called {@code name} in memory:
     * experts of their own in the file, one stack in memory. Empty when one tensor holds it all.
     */
    default List<Part> parts(String name, long... shape) {
        return List.of();
    }

    /** Whether the matrix called {@code name} in memory, [out, in] there, is [in, out] in transformers and the file. */
    default boolean isTransposed(String name) {
        return false;
    }

    /** Other names under which older files have the tensor that is now called {@code diskName}. */
    default List<String> olderNames(String diskName) {
        return List.of();
    }

    /**
     * Whether a tensor that the model has no place for may be there all the same: a buffer that older versions wrote, or
     * part of a head that files of this family often carry along.
     */
    default boolean isBuffer(String diskName) {
        return false;
    }
}
