package quern.data.corpus.internal;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.Tokenizer;
import quern.data.TokenizerTrainer;
import quern.data.internal.Hash;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Techniques;

/** The tokenizer that a recipe of {@code quern data prepare} names: one that is there, or how to train one. */
public final class PreparedTokenizer {
    private static final String PATH = "path";
    private static final String TYPE = "type";

    private final Block block;
    private final Optional<Tokenizer> loaded;
    private final TokenizerTrainer trainer;
    private final Record config;

    private PreparedTokenizer(Block block, Optional<Tokenizer> loaded, TokenizerTrainer trainer, Record config) {
        this.block = block;
        this.loaded = loaded;
        this.trainer = trainer;
        this.config = config;
    }

    /**
     * Looks it up.
     *
     * @throws QuernException for a folder without a tokenizer, an unknown type and settings that don't fit
     */
    public static PreparedTokenizer of(Block block) {
        if (block.has(PATH)) {
            if (block.keys().size() > 1) {
                throw QuernException.badInput(
                        "%s: a tokenizer with a path is taken as it is; leave the other keys out", block.position());
            }
            return new PreparedTokenizer(block, Optional.of(Tokenizer.load(Path.of(block.text(PATH)))), null, null);
        }
        TokenizerTrainer trainer =
                Techniques.find(TokenizerTrainer.class, "tokenizer", block.text(TYPE), block.position(TYPE));
        Record config = block.without(TYPE).bind(trainer.config());
        return new PreparedTokenizer(block, Optional.empty(), trainer, config);
    }

    /** Names the tokenizer that comes of documents of this key. */
    String key(String documentsKey) {
        Hash hash = new Hash().add(block.toMap());
        return loaded.map(tokenizer -> hash.add(tokenizer.fingerprint())
                        .add(tokenizer.endOfText())
                        .add(tokenizer.chatTemplateText()))
                .orElseGet(() -> hash.add(documentsKey))
                .hex();
    }

    /** The tokenizer, trained on these documents where it is to be. */
    Tokenizer make(DataConfig data, int threads, Consumer<String> note) {
        if (loaded.isPresent()) {
            return loaded.get();
        }
        note.accept("training the tokenizer (%s)".formatted(trainer.id()));
        return Tokenizer.of(trainer.train(Documents.open(data).texts(), config, threads));
    }
}
