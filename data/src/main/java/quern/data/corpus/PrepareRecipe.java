package quern.data.corpus;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.recipe.Shorthand;

/**
 * The recipe block {@code prepare}: what {@code quern data prepare} reads, what it does to it, and where the result goes.
 *
 * @param sources each with {@code path} (files, folders or globs), {@code type} where the names do not tell it, and the
 *     settings of that reader
 * @param stages in their order, each with its {@code type} (a filter or a removal of duplicates) and its settings
 * @param tokenizer as in a training recipe: a type to train with its settings, or {@code path}; with it the prepared folder
 *     holds token shards too
 * @param outputDir the folder of the prepared corpus
 * @param threads that work at once; 0 for all. It changes no byte of the result
 * @param maxDocumentMegabytes a record of more than this (10^6 bytes) is quarantined
 * @param shardMegabytes plain size of a shard of documents (10^6 bytes), at most 1,000
 * @param examples how many examples the report shows of each reason
 * @param keepStages whether the outputs of the stages stay in {@code output_dir/.stages}, so that a changed recipe begins
 *     at the stage that changed
 */
public record PrepareRecipe(
        @Doc("What to read: blocks with path, type where the names do not tell it, and the reader's settings.")
        List<Block> sources,

        @Doc("Filters and removals of duplicates in their order: blocks with type and its settings.") @Default("[]")
        List<Block> stages,

        @Doc("The tokenizer of the token shards: a type with its settings, or path: a folder.") @Shorthand("type")
        Optional<Block> tokenizer,

        @Doc("The folder of the prepared corpus.") @Default("prepared")
        Path outputDir,

        @Doc("Threads that work at once; 0 for all.") @Default("0") @Range(min = 0, max = 1024)
        int threads,

        @Doc("A record of more than this many megabytes is quarantined.") @Default("8") @Range(min = 1, max = 512)
        int maxDocumentMegabytes,

        @Doc("Megabytes of plain text in a shard of documents.") @Default("1000") @Range(min = 1, max = 1000)
        int shardMegabytes,

        @Doc("How many examples the report shows of each reason.") @Default("5") @Range(min = 0, max = 1000)
        int examples,

        @Doc("Whether the outputs of the stages stay, so that a changed recipe begins at the stage that changed.")
        @Default("true")
        boolean keepStages) {
    private static final String BLOCK = "prepare";

    /** Refuses a recipe without sources. */
    public PrepareRecipe {
        sources = List.copyOf(sources);
        stages = List.copyOf(stages);
        Objects.requireNonNull(tokenizer);
        Objects.requireNonNull(outputDir);
        if (sources.isEmpty()) {
            throw new IllegalArgumentException("sources: none is named; expected at least one block with a path");
        }
    }

    /**
     * The block {@code prepare} of a recipe file.
     *
     * @throws QuernException where the file has other blocks or lacks this one
     */
    public static PrepareRecipe of(Block file) {
        List<String> others =
                file.keys().stream().filter(key -> !key.equals(BLOCK)).toList();
        if (!others.isEmpty()) {
            throw QuernException.badInput(
                    "%s: unknown key '%s'; a recipe of quern data prepare has one block, '%s'",
                    file.position(others.getFirst()), others.getFirst(), BLOCK);
        }
        return file.block(BLOCK).bind(PrepareRecipe.class);
    }

    /** The number of threads that is meant. */
    public int threadCount() {
        return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    }
}
