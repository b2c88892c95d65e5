package quern.data;

import java.util.List;
import java.util.Locale;

/** Tokens with a part of their own, by their keys in {@code tokenizer_config.json} and the names they usually have. */
public enum SpecialToken {
    /** Fills the end of a short row. */
    PAD_TOKEN("[PAD]", "<pad>", "<|pad|>", "<|padding|>"),
    /** Stands where a token is hidden. */
    MASK_TOKEN("[MASK]", "<mask>", "<|mask|>"),
    /** Begins a row and stands for all of it. */
    CLS_TOKEN("[CLS]", "<s>", "<cls>"),
    /** Ends each text of a row. */
    SEP_TOKEN("[SEP]", "</s>", "<sep>"),
    /** Begins a text. */
    BOS_TOKEN("<s>", "<bos>", "[BOS]", "<|begin_of_text|>"),
    /** Stands for what the vocabulary lacks. */
    UNK_TOKEN("[UNK]", "<unk>");

    private final List<String> names;

    SpecialToken(String... names) {
        this.names = List.of(names);
    }

    /** The key in {@code tokenizer_config.json}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** How it is usually written, the most specific first. */
    public List<String> names() {
        return names;
    }
}
