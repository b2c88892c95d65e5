package quern.data.corpus;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import quern.data.corpus.internal.CorpusFiles;
import quern.data.corpus.internal.PreparedTokenizer;
import quern.data.internal.Hash;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/**
 * A recipe of {@code quern data prepare} with its names looked up: which files are read by what, and which techniques run
 * with which settings. Any engine can work from it.
 *
 * @param recipe it was made from
 * @param sources in reading order
 * @param stages in their order
 */
public record PreparePlan(PrepareRecipe recipe, List<Source> sources, List<Stage> stages) {
    /** Raised when the engine gives other documents from the same techniques. */
    private static final int EDITION = 1;

    private static final String TYPE = "type";

    /**
     * A file and how it is read.
     *
     * @param file to read
     * @param reader of it
     * @param config of the reader
     */
    public record Source(CorpusFile file, CorpusReader reader, Record config) {
        /** Names the content of the file and how it is read. */
        String key() {
            return new Hash()
                    .add(EDITION)
                    .add(reader.id())
                    .add(reader.edition())
                    .add(config)
                    .add(file.origin())
                    .add(file.maxDocumentBytes())
                    .add(DurableFiles.sha256(file.path()))
                    .hex();
        }
    }

    /**
     * A stage.
     *
     * @param technique a {@link DocumentFilter} or a {@link Deduplication}
     * @param config of it
     */
    public record Stage(Technique technique, Record config) {
        /** Names what the stage does. */
        String key() {
            Hash hash = new Hash()
                    .add(EDITION)
                    .add(technique.kind())
                    .add(technique.id())
                    .add(config);
            switch (technique) {
                case DocumentFilter filter -> {
                    hash.add(filter.edition());
                    filter.files(config).forEach(file -> hash.add(DurableFiles.sha256(file)));
                }
                case Deduplication dedup -> {
                    hash.add(dedup.edition());
                    dedup.files(config).forEach(file -> hash.add(DurableFiles.sha256(file)));
                }
                default -> throw new IllegalStateException("no stage: " + technique.getClass());
            }
            return hash.hex();
        }
    }

    /** Takes copies. */
    public PreparePlan {
        sources = List.copyOf(sources);
        stages = List.copyOf(stages);
    }

    /**
     * Looks everything up.
     *
     * @throws QuernException for files that are missing, techniques that are unknown and settings that don't fit
     */
    public static PreparePlan of(PrepareRecipe recipe) {
        List<Source> sources = new ArrayList<>();
        Map<Path, Position> named = new HashMap<>();
        for (Block block : recipe.sources()) {
            for (Source source : CorpusFiles.sources(block, recipe)) {
                Position before =
                        named.putIfAbsent(source.file().path().toAbsolutePath().normalize(), block.position());
                if (before != null) {
                    throw QuernException.badInput(
                            "%s: %s is a source already (%s), and its documents would come twice; name it once",
                            block.position(), source.file().origin(), before);
                }
                sources.add(source);
            }
        }
        recipe.tokenizer().ifPresent(PreparedTokenizer::of);
        List<Stage> stages = new ArrayList<>();
        for (Block block : recipe.stages()) {
            stages.add(stage(block));
        }
        return new PreparePlan(recipe, sources, stages);
    }

    private static Stage stage(Block block) {
        String type = block.text(TYPE);
        List<String> known = Techniques.all().stream()
                .filter(t -> t instanceof DocumentFilter || t instanceof Deduplication)
                .map(Technique::id)
                .toList();
        Technique found = Techniques.all().stream()
                .filter(t -> t instanceof DocumentFilter || t instanceof Deduplication)
                .filter(t -> t.id().equals(type) || t.otherIds().contains(type))
                .findFirst()
                .orElseThrow(() -> QuernException.badInput(
                        "%s: unknown stage '%s'%s; known: %s",
                        block.position(TYPE),
                        type,
                        quern.recipe.Suggestion.nearest(type, known)
                                .map(" (did you mean '%s'?)"::formatted)
                                .orElse(""),
                        known.stream().sorted().collect(Collectors.joining(", "))));
        Record config = block.without(TYPE).bind(found.config());
        if (found instanceof DocumentFilter filter) {
            filter.check(config, block.position());
        }
        return new Stage(found, config);
    }

    /**
     * Names the content of the documents as they leave each step: first of reading, then of each stage. Reads the sources
     * to their end.
     */
    public List<String> keys() {
        List<String> keys = new ArrayList<>();
        Hash read = new Hash().add(recipe.examples());
        sources.forEach(source -> read.add(source.key()));
        String key = read.hex();
        keys.add(key);
        for (Stage stage : stages) {
            key = new Hash().add(key).add(stage.key()).hex();
            keys.add(key);
        }
        return keys;
    }
}
