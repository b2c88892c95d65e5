package quern.data;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A token for every distinct character (Unicode code point) of the text, numbered by code point after the unknown
 * token. Written as a {@code WordLevel} model whose pre-tokenizer isolates each character.
 */
public final class CharacterTrainer implements TokenizerTrainer {
    /**
     * @param unkToken the token for characters that the training text lacks
     * @param maxVocabSize refuses text with more distinct characters than this
     * @param specialTokens tokens that stand for themselves in the text, numbered after the unknown token
     */
    public record Config(
            @Doc("The token for characters that the training text lacks.") @Default("<unk>")
            String unkToken,

            @Doc("Refuses text with more distinct characters than this.") @Default("65536") @Range(min = 2)
            int maxVocabSize,

            @Doc("Tokens that stand for themselves in the text.") @Default("[]")
            List<String> specialTokens) {
        /** Refuses an unknown token that is empty or a single character of text. */
        public Config {
            if (unkToken.codePointCount(0, unkToken.length()) < 2) {
                throw new IllegalArgumentException(
                        "unk_token: '" + unkToken + "' could be text; use a longer name such as <unk>");
            }
            specialTokens = List.copyOf(specialTokens);
            for (String token : specialTokens) {
                if (token.codePointCount(0, token.length()) < 2 || token.equals(unkToken)) {
                    throw new IllegalArgumentException(
                            "special_tokens: '" + token + "' is text or the unknown token; use a longer name");
                }
            }
            if (new LinkedHashSet<>(specialTokens).size() != specialTokens.size()) {
                throw new IllegalArgumentException("special_tokens: a token is listed twice in " + specialTokens);
            }
            if (maxVocabSize < 2) {
                throw new IllegalArgumentException("max_vocab_size: " + maxVocabSize + " is below 2");
            }
        }

        /** The defaults. */
        public static Config defaults() {
            return new Config("<unk>", 65_536, List.of());
        }
    }

    @Override
    public String id() {
        return "char";
    }

    @Override
    public String summary() {
        return "one token a character";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public TokenizerJson train(Iterable<String> documents, Record config, int threads) {
        Config own = (Config) config;
        BitSet seen = new BitSet();
        for (String document : documents) {
            document.codePoints().forEach(seen::set);
        }
        if (seen.isEmpty()) {
            throw QuernException.badInput(
                    "tokenizer: the text is empty or holds nothing that a tokenizer can learn; give it some text");
        }
        if (seen.cardinality() + 1 > own.maxVocabSize()) {
            throw QuernException.badInput(
                    "tokenizer: the text has %,d distinct characters, more than max_vocab_size %,d allows;"
                            + " raise it or train a bpe tokenizer",
                    seen.cardinality(), own.maxVocabSize());
        }
        List<String> vocabulary = new ArrayList<>();
        vocabulary.add(own.unkToken());
        vocabulary.addAll(own.specialTokens());
        List<String> special = List.copyOf(vocabulary);
        seen.stream().forEach(c -> vocabulary.add(Character.toString(c)));
        return new TokenizerJson(
                vocabulary,
                List.of(),
                special,
                BpeTrainer.END_OF_TEXT_NAMES.stream().filter(special::contains).findFirst(),
                Optional.of(own.unkToken()),
                parts(own.unkToken()));
    }

    private static Map<String, Map<String, Object>> parts(String unknown) {
        Map<String, Object> split = new LinkedHashMap<>();
        split.put("type", "Split");
        split.put("pattern", Map.of("Regex", "[\\s\\S]"));
        split.put("behavior", "Isolated");
        split.put("invert", false);
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "WordLevel");
        model.put("unk_token", unknown);
        return Map.of("pre_tokenizer", split, "decoder", Map.of("type", "Fuse"), "model", model);
    }
}
