package quern.data.internal;

import java.nio.file.Path;
import quern.data.TokenStream;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;

/** A split of a token store on disk. */
final class MappedTokenStream implements TokenStream {
    private final Path folder;
    private final String split;
    private final ShardSequence tokens;
    private final ShardSequence starts;
    private final long textBytes;
    private final int vocabularySize;

    /** Opens the files that the store's description lists for this split. */
    MappedTokenStream(Path folder, String split, JsonNode store) {
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
