package quern.spark.internal;

import java.io.Serializable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.PreparePlan;
import quern.data.corpus.PrepareRecipe;
import quern.data.corpus.Quarantine;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.RecipeFile;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/** Techniques with their settings in a form that goes to other machines: their names, and their settings as YAML. */
final class Portable {
    private static final String TYPE = "type";
    private static final String PATH = "path";

    private Portable() {}

    private static <T extends Technique> T find(Class<T> type, String kind, String id) {
        return Techniques.find(type, kind, id, Position.of(kind));
    }

    private static Record settings(Technique technique, String yaml) {
        return RecipeFile.load(technique.id(), yaml, List.of()).bind(technique.config());
    }

    /** A filter. */
    record Filter(String id, String settings) implements Serializable {
        private static final long serialVersionUID = 1L;

        static Filter of(DocumentFilter filter, Block block) {
            return new Filter(filter.id(), RecipeFile.write(block.without(TYPE)));
        }

        DocumentFilter.Judge open() {
            DocumentFilter filter = find(DocumentFilter.class, "filter", id);
            return filter.open(Portable.settings(filter, settings));
        }

        /** Tells of what the filter can't use of the files that it learns from. */
        void quarantined(Quarantine quarantine) {
            DocumentFilter filter = find(DocumentFilter.class, "filter", id);
            filter.quarantined(Portable.settings(filter, settings), quarantine);
        }
    }

    /** A file to read. */
    record Source(String path, String origin, int maxDocumentBytes, String reader, String settings)
            implements Serializable {
        private static final long serialVersionUID = 1L;

        /** The files of a recipe in reading order. */
        static List<Source> of(PrepareRecipe recipe) {
            List<Source> sources = new ArrayList<>();
            for (Block block : recipe.sources()) {
                PrepareRecipe one = new PrepareRecipe(
                        List.of(block),
                        List.of(),
                        recipe.tokenizer(),
                        recipe.outputDir(),
                        recipe.threads(),
                        recipe.maxDocumentMegabytes(),
                        recipe.shardMegabytes(),
                        recipe.examples(),
                        recipe.keepStages());
                String settings = RecipeFile.write(block.without(PATH).without(TYPE));
                for (PreparePlan.Source source : PreparePlan.of(one).sources()) {
                    sources.add(new Source(
                            source.file().path().toAbsolutePath().normalize().toString(),
                            source.file().origin(),
                            source.file().maxDocumentBytes(),
                            source.reader().id(),
                            settings));
                }
            }
            return sources;
        }

        CorpusFile file() {
            return new CorpusFile(Path.of(path), origin, maxDocumentBytes);
        }

        CorpusReader.Records open(Quarantine quarantine) {
            CorpusReader found = find(CorpusReader.class, "source", reader);
            return found.open(file(), Portable.settings(found, settings), quarantine);
        }
    }
}
