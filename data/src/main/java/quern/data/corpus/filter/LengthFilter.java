package quern.data.corpus.filter;

import java.util.Optional;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Words;
import quern.recipe.Doc;

/** Keeps documents of a length. */
public final class LengthFilter implements DocumentFilter {
    /**
     * @param minCharacters UTF-16 units at least
     * @param maxCharacters UTF-16 units at most
     * @param minWords words at least
     * @param maxWords words at most
     */
    public record Config(
            @Doc("Characters at least.") Optional<Long> minCharacters,
            @Doc("Characters at most.") Optional<Long> maxCharacters,
            @Doc("Words at least.") Optional<Long> minWords,
            @Doc("Words at most.") Optional<Long> maxWords) {
        /** Refuses a filter that does nothing. */
        public Config {
            if (minCharacters.isEmpty() && maxCharacters.isEmpty() && minWords.isEmpty() && maxWords.isEmpty()) {
                throw new IllegalArgumentException(
                        "no limit is given; set min_characters, max_characters, min_words or max_words");
            }
        }
    }

    @Override
    public String id() {
        return "length";
    }

    @Override
    public String summary() {
        return "keeps documents of a length in characters and words";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        return document -> judge(document, own);
    }

    private static Verdict judge(CorpusDocument document, Config config) {
        long characters = document.text().length();
        if (characters < config.minCharacters().orElse(0L)) {
            return drop(
                    "too_short",
                    characters,
                    "characters",
                    "fewer",
                    config.minCharacters().get());
        }
        if (characters > config.maxCharacters().orElse(Long.MAX_VALUE)) {
            return drop(
                    "too_long",
                    characters,
                    "characters",
                    "more",
                    config.maxCharacters().get());
        }
        if (config.minWords().isEmpty() && config.maxWords().isEmpty()) {
            return Verdict.KEEP;
        }
        long words = Words.count(document.text());
        if (words < config.minWords().orElse(0L)) {
            return drop(
                    "too_few_words", words, "words", "fewer", config.minWords().get());
        }
        if (words > config.maxWords().orElse(Long.MAX_VALUE)) {
            return drop(
                    "too_many_words", words, "words", "more", config.maxWords().get());
        }
        return Verdict.KEEP;
    }

    private static Verdict drop(String reason, long found, String unit, String than, long limit) {
        return Verdict.drop(reason, "%,d %s, %s than %,d".formatted(found, unit, than, limit));
    }
}
