package quern.data;

import java.nio.file.Path;
import java.util.function.Consumer;
import quern.data.internal.CacheFolder;
import quern.data.internal.TokenStoreFiles;

/**
 * A corpus as token ids on disk, split into a part that trains and a part that validates. Stores live in a cache
 * folder under a name made from everything their content depends on: the source files (name, size, time of change,
 * head and tail), the configuration and the tokenizer. A store appears whole or not at all, also when two processes
 * make it at once, and is checked whenever it is opened.
 *
 * <p>The split: several documents are divided as wholes by {@code validation_seed}, one document at a character, its
 * tail validating. After each document comes the separator; a single document has none.
 */
public final class TokenStore {
    private final Path folder;
    private final TokenStream train;
    private final TokenStream validation;
    private final DocumentReport report;

    private TokenStore(TokenStoreFiles files) {
        this.folder = files.folder();
        this.train = files.train();
        this.validation = files.validation();
        this.report = files.report();
    }

    /** As below, in {@link #defaultCacheFolder()}. */
    public static TokenStore prepare(DataConfig config, Tokenizer tokenizer, Consumer<String> progress) {
        return prepare(config, tokenizer, defaultCacheFolder(), progress);
    }

    /**
     * Opens the store of this corpus and tokenizer, making it first where the cache lacks it.
     *
     * @param cacheFolder made where it is missing
     * @param progress receives lines for a person to read
     * @throws quern.recipe.QuernException for bad sources, a corrupt store, or a full disk
     */
    public static TokenStore prepare(
            DataConfig config, Tokenizer tokenizer, Path cacheFolder, Consumer<String> progress) {
        return new TokenStore(TokenStoreFiles.prepare(config, tokenizer, cacheFolder, progress));
    }

    /** {@code $QUERN_CACHE}, else {@code ~/.cache/quern}. */
    public static Path defaultCacheFolder() {
        return CacheFolder.locate();
    }

    /** The folder of this store. */
    public Path folder() {
        return folder;
    }

    /** The part that trains. */
    public TokenStream train() {
        return train;
    }

    /** The part that validates; without tokens where {@code validation_share} is 0. */
    public TokenStream validation() {
        return validation;
    }

    /** What the pass over the documents met. */
    public DocumentReport report() {
        return report;
    }
}
