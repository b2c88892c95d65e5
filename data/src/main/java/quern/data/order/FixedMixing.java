package quern.data.order;

import java.nio.file.Path;
import java.util.Optional;
import quern.recipe.Doc;

/** Mixing by weights that stay the same: those of {@code data.sources}, or those that another training learned. */
public final class FixedMixing implements Mixing {
    /** Settings. */
    public record Config(
            @Doc("A file of weights by name instead of those of the sources, or the folder of a run that learned some.")
            Optional<Path> weightsFile) {}

    @Override
    public String id() {
        return "fixed";
    }

    @Override
    public String summary() {
        return "rows of each corpus in proportion to its weight";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Shares open(Corpora corpora, Record config) {
        Optional<Path> file = ((Config) config).weightsFile();
        double[] shares =
                Weights.shares(file.map(f -> Weights.read(f, corpora.names())).orElseGet(corpora::weights));
        return step -> shares.clone();
    }
}
