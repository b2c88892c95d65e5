package quern.data.augment;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import quern.data.Rewriter;
import quern.data.internal.Mix;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/** A technique of kind {@code rewriter}: makes a {@link Rewriter} of model folders. Modules that know models have them. */
public interface RewriterTechnique extends Technique {
    /** The one that takes sequence-to-sequence models. */
    String SEQ2SEQ = "seq2seq";

    @Override
    default String kind() {
        return "rewriter";
    }

    /**
     * Loads models, of which each reads what the one before it wrote.
     *
     * @throws QuernException for folders without a model of this kind
     */
    Rewriter open(List<Path> folders);

    /** The files of model folders, sorted. */
    static List<Path> files(List<Path> folders) {
        List<Path> files = new ArrayList<>();
        for (Path folder : folders) {
            if (!Files.isDirectory(folder)) {
                throw QuernException.badInput("%s: no such folder; expected a model folder", folder);
            }
            try (Stream<Path> inside = Files.list(folder)) {
                inside.filter(Files::isRegularFile).sorted().forEach(files::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return files;
    }

    /** Rewrites a share of the documents with models. */
    static Augmentation.Rewriting rewriting(String id, List<Path> folders, double share) {
        Rewriter rewriter = Techniques.find(
                        RewriterTechnique.class, "rewriter", SEQ2SEQ, Position.of("augmentation " + id))
                .open(folders);
        return new Augmentation.Rewriting() {
            @Override
            public Augmentation.Change apply(String text, long key) {
                if (Mix.unit(key, 0) >= share) {
                    return Augmentation.Change.none(text, 1);
                }
                String other = rewriter.rewrite(List.of(text), key).getFirst();
                // A model that has nothing to say does not make a document empty.
                return other.isBlank() || other.equals(text)
                        ? Augmentation.Change.none(text, 1)
                        : new Augmentation.Change(other, 1, 1);
            }

            @Override
            public void close() {
                rewriter.close();
            }
        };
    }
}
