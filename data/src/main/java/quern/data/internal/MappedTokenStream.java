package quern.data.internal;

import java.nio.file.Path;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import quern.data.TokenStream;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;

/** A split of a token store on disk. */
final class MappedTokenStream implements TokenStream {
    private final Path folder;
    private final String split;
    private final ShardSequence tokens;
    private final ShardSequence starts;
    /** Null without prompts. */
    private final ShardSequence answers;

    /** Null without conversations. */
    private final ShardSequence turns;

    private final ShardSequence turnStarts;

    private final LongFunction<String> places;
    private final long textBytes;
    private final int vocabularySize;

    /**
     * Opens the files that the store's description lists for this split.
     *
     * @param places where a document of it comes from
     */
    MappedTokenStream(Path folder, String split, JsonNode store, LongFunction<String> places) {
        this.places = places;
        this.folder = folder;
        this.split = split;
        JsonNode own = store.path(split);
        this.vocabularySize = number(store, "vocabulary_size").intValue();
        int width = number(store, "token_bytes").intValue();
        this.tokens = ShardSequence.open(
                folder,
                split + "-tokens",
                width,
                number(store, "tokens_per_shard").longValue(),
                number(own, "tokens").longValue());
        this.starts = ShardSequence.open(
                folder,
                split + "-documents",
                Long.BYTES,
                number(store, "documents_per_shard").longValue(),
                number(own, "documents").longValue());
        this.answers = store.path("prompts").asBoolean(false)
                ? ShardSequence.open(
                        folder,
                        split + "-answers",
                        Long.BYTES,
                        number(store, "documents_per_shard").longValue(),
                        number(own, "documents").longValue())
                : null;
        boolean turned = store.path("conversations").asBoolean(false);
        long perShard = number(store, "documents_per_shard").longValue();
        this.turns = turned
                ? ShardSequence.open(
                        folder,
                        split + "-turns",
                        Long.BYTES,
                        perShard,
                        number(own, "turns").longValue())
                : null;
        this.turnStarts = turned
                ? ShardSequence.open(
                        folder,
                        split + "-turn-starts",
                        Long.BYTES,
                        perShard,
                        number(own, "documents").longValue())
                : null;
        this.textBytes = number(own, "text_bytes").longValue();
    }

    private JsonNode number(JsonNode node, String key) {
        JsonNode value = node.path(key);
        if (!value.isIntegralNumber() || value.longValue() < 0) {
            throw QuernException.failed(
                    "%s: no valid '%s' in it; delete the folder %s and run again to rebuild it",
                    folder.resolve(TokenStoreFiles.DESCRIPTION), key, folder);
        }
        return value;
    }

    @Override
    public long size() {
        return tokens.size();
    }

    @Override
    public void read(long from, int[] into, int offset, int length) {
        tokens.read(from, into, offset, length);
    }

    @Override
    public long documents() {
        return starts.size();
    }

    @Override
    public long documentStart(long index) {
        return index == starts.size() ? tokens.size() : starts.get(index);
    }

    @Override
    public boolean hasPrompts() {
        return answers != null;
    }

    @Override
    public long answerStart(long index) {
        return answers == null ? documentStart(index) : answers.get(index);
    }

    @Override
    public long[] learned(long index) {
        if (turns == null) {
            return TokenStream.super.learned(index);
        }
        long from = turnStarts.get(index);
        long to = index + 1 == turnStarts.size() ? turns.size() : turnStarts.get(index + 1);
        return LongStream.range(from, to).map(turns::get).toArray();
    }

    @Override
    public String describe(long index) {
        return places.apply(index);
    }

    @Override
    public long textBytes() {
        return textBytes;
    }

    @Override
    public int vocabularySize() {
        return vocabularySize;
    }

    @Override
    public String origin() {
        return split + " part of the data";
    }
}
