package quern.data.augment;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** Settings of a technique that says things otherwise by a table of phrases or, instead, by models. */
interface TableOrModels extends Augmentation.Settings {
    /** A file of phrases. */
    Optional<Path> table();

    /** Folders of models, of which each reads what the one before it wrote. */
    List<Path> models();

    /**
     * Refuses a table and models together, and another number of models.
     *
     * @param number of models where there are some
     * @param expected what they are
     */
    static void check(Optional<Path> table, List<Path> models, int number, String expected) {
        if (!models.isEmpty() && table.isPresent()) {
            throw new IllegalArgumentException("models: table and models are both given; keep one of them");
        }
        if (!models.isEmpty() && models.size() != number) {
            throw new IllegalArgumentException(
                    "models: %d folders; expected %d, %s".formatted(models.size(), number, expected));
        }
    }

    /** The files that it depends on. */
    default List<Path> files() {
        return models().isEmpty() ? table().stream().toList() : RewriterTechnique.files(models());
    }

    /**
     * What it does to texts.
     *
     * @param id the technique's
     * @param phrases reads the table; asked where there are no models
     */
    default Augmentation.Rewriting rewriting(String id, Supplier<PhraseTable> phrases) {
        if (!models().isEmpty()) {
            return RewriterTechnique.rewriting(id, models(), share());
        }
        PhraseTable table = phrases.get();
        return (text, key) -> table.replace(text, key, share());
    }
}
