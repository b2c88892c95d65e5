package quern.data;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import quern.data.internal.CacheFolder;
import quern.data.internal.JoinedTokenStream;
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
        this(files.folder(), files.train(), files.validation(), files.report());
    }

    private TokenStore(Path folder, TokenStream train, TokenStream validation, DocumentReport report) {
        this.folder = folder;
        this.train = train;
        this.validation = validation;
        this.report = report;
    }

    /**
     * Several stores as one: their parts one behind another.
     *
     * @throws quern.recipe.QuernException where some hold instruction rows and others don't
     */
    public static TokenStore joined(List<TokenStore> stores) {
        TokenStore first = stores.getFirst();
        if (stores.size() == 1) {
            return first;
        }
        DocumentReport all = first.report;
        for (TokenStore other : stores.subList(1, stores.size())) {
            all = all.plus(other.report);
        }
        return new TokenStore(
                first.folder,
                new JoinedTokenStream(stores.stream().map(TokenStore::train).toList()),
                new JoinedTokenStream(
                        stores.stream().map(TokenStore::validation).toList()),
                all);
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
        TokenStore store = new TokenStore(TokenStoreFiles.prepare(config, tokenizer, cacheFolder, progress));
        Optional<PromptTemplates> phrasings = config.promptTemplates()
                .filter(templates -> !templates.heldOut().isEmpty());
        if (phrasings.isEmpty()) {
            return store;
        }
        // The same rows validate, since their number and the seed of the split are the same.
        TokenStore heldOut = new TokenStore(TokenStoreFiles.prepare(
                config.withPromptTemplates(phrasings.get().exchanged()), tokenizer, cacheFolder, progress));
        return new TokenStore(store.folder, store.train, heldOut.validation, store.report);
    }

    /** {@code $QUERN_CACHE}, else {@code ~/.cache/quern}. */
    public static Path defaultCacheFolder() {
        return CacheFolder.locate();
    }

    /** The folder of this store; of several joined, the first one's. */
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
