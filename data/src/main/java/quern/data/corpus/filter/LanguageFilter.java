package quern.data.corpus.filter;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Languages;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.recipe.Suggestion;

/**
 * Identifies each document's language, labels it ({@code language}) and keeps the ones that are wanted. Languages are named
 * by ISO 639 codes of two letters, or three where there are no two.
 */
public final class LanguageFilter implements DocumentFilter {
    /**
     * @param keep the languages that stay; empty for all, when documents are only labelled
     * @param among the only languages that are expected, which makes short texts surer; empty for all that are known
     * @param minConfidence a document whose language is less sure goes
     * @param characters of a document that are looked at, from its start
     */
    public record Config(
            @Doc("The languages that stay, such as [en, de]; empty labels only.") @Default("[]")
            List<String> keep,

            @Doc("The only languages that are expected; empty for all that are known.") @Default("[]")
            List<String> among,

            @Doc("A document whose language is less sure than this goes.") @Default("0.0") @Range(min = 0, max = 1)
            double minConfidence,

            @Doc("Characters that are looked at, from the start.") @Default("1000") @Range(min = 20)
            int characters) {
        /** Takes copies. */
        public Config {
            keep = keep.stream().map(Languages::code).toList();
            among = among.stream().map(Languages::code).toList();
            if (!among.isEmpty() && !among.containsAll(keep)) {
                throw new IllegalArgumentException("among: lacks a language of keep, which could then never be found");
            }
        }
    }

    @Override
    public String id() {
        return "language";
    }

    @Override
    public String summary() {
        return "identifies the language of documents and keeps the wanted ones";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public void check(Record config, Position place) {
        Config own = (Config) config;
        Set<String> known = Languages.get().known();
        for (List<String> named : List.of(own.keep(), own.among())) {
            for (String code : named) {
                if (!known.contains(code)) {
                    throw QuernException.badInput(
                            "%s: language: '%s' is not a language that can be identified%s; known: %s",
                            place,
                            code,
                            Suggestion.nearest(code, known)
                                    .map(" (did you mean '%s'?)"::formatted)
                                    .orElse(""),
                            String.join(", ", known));
                }
            }
        }
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        Languages languages = Languages.get();
        Set<String> keep = new TreeSet<>(own.keep());
        Set<String> among = new TreeSet<>(own.among());
        return document -> judge(document, own, keep, among, languages);
    }

    private static Verdict judge(
            CorpusDocument document, Config config, Set<String> keep, Set<String> among, Languages languages) {
        String text = document.text();
        Languages.Guess guess =
                languages.identify(text.substring(0, Math.min(text.length(), config.characters())), among);
        if (guess.confidence() < config.minConfidence()) {
            return Verdict.drop(
                    "unsure",
                    "%s with %.3f, less sure than %s"
                            .formatted(guess.language(), guess.confidence(), config.minConfidence()));
        }
        if (!keep.isEmpty() && !keep.contains(guess.language())) {
            return Verdict.drop("other_language", "%s with %.3f".formatted(guess.language(), guess.confidence()));
        }
        return new Verdict.Replace(document.withLabel("language", guess.language()), Map.of());
    }
}
