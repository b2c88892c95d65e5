package quern.models.part;

/** What parts of every kind do. */
public interface ComposedPart {
    /**
     * Refuses a model that this part makes no sense in, or whose keys would have no effect beside it: an {@link
     * IllegalArgumentException} of the form {@code key: reason}, where the key is one of the model's.
     */
    default void check(Composition c) {}
}
