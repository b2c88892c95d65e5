package quern.data.corpus.filter;

import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Words;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Keeps documents in which enough words are stop words: running text has many, lists of key words have few. */
public final class StopWordsFilter implements DocumentFilter {
    /**
     * @param words the stop words
     * @param minShare share of a document's words at least
     * @param maxShare share of a document's words at most
     */
    public record Config(
            @Doc("The stop words.")
            @Default(
                    "[the, a, an, of, to, in, and, or, is, was, are, were, be, it, that, this, with, for, on, as, at, by, from, not, have, has, had, he, she, they, we, you, i]")
            List<String> words,

            @Doc("Share of a document's words at least.") @Default("0.06") @Range(min = 0, max = 1)
            double minShare,

            @Doc("Share of a document's words at most.") @Default("1.0") @Range(min = 0, max = 1)
            double maxShare) {
        /** Refuses an empty list. */
        public Config {
            words = List.copyOf(words);
            if (words.isEmpty()) {
                throw new IllegalArgumentException("words: the list is empty");
            }
        }
    }

    @Override
    public String id() {
        return "stop_words";
    }

    @Override
    public String summary() {
        return "keeps documents with a share of stop words";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        Set<String> stopWords = new HashSet<>();
        own.words().forEach(word -> stopWords.add(word.toLowerCase(Locale.ROOT)));
        return document -> judge(document, own, stopWords);
    }

    private static Verdict judge(CorpusDocument document, Config config, Set<String> stopWords) {
        List<String> words = Words.of(document.text());
        long found = words.stream().map(Words::bare).filter(stopWords::contains).count();
        double share = (double) found / Math.max(1, words.size());
        if (share < config.minShare()) {
            return Verdict.drop(
                    "few_stop_words", "%.3f of the words, fewer than %s".formatted(share, config.minShare()));
        }
        if (share > config.maxShare()) {
            return Verdict.drop(
                    "many_stop_words", "%.3f of the words, more than %s".formatted(share, config.maxShare()));
        }
        return Verdict.KEEP;
    }
}
