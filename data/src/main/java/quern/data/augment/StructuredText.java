package quern.data.augment;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Turns structured data into sentences: tables in Markdown, whole documents of JSON, blocks of code between lines of three
 * backticks, and triples of a knowledge graph (a line each: subject, predicate and object with tabs between them). {@link
 * #restored} turns the sentences back; a document is changed only where that gives what it was: for tables, code and triples to
 * the character, for JSON to the value.
 */
public final class StructuredText implements Augmentation {
    /** What is turned into sentences. */
    public enum Form {
        /** {@code In row 2, city is Rome; people is 3.} */
        TABLE,
        /** {@code The name of item 1 of authors is "Ann".} */
        JSON,
        /** {@code Line 3 of the code is 4 spaces, then return x} */
        CODE,
        /** {@code The capital of France is Paris.} */
        TRIPLES
    }

    /**
     * @param share of documents with such data that are changed
     * @param forms what is turned into sentences
     * @param seed chooses other documents
     */
    public record Config(
            @Doc("The share of documents with such data that are changed.")
            @Default("0.5")
            @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("What is turned into sentences: table, json, code, triples.") @Default("[table, json, code, triples]")
            List<Form> forms,

            @Doc("Chooses other documents.") @Default("0") long seed)
            implements Settings {
        /** Refuses an empty list. */
        public Config {
            forms = List.copyOf(forms);
            if (forms.isEmpty()) {
                throw new IllegalArgumentException("forms: empty; name one, or leave the augmentation out");
            }
        }
    }

    @Override
    public String id() {
        return "structured";
    }

    @Override
    public String summary() {
        return "turns tables, JSON, code and triples into sentences";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Rewriting rewriting(Record config) {
        Config own = (Config) config;
        Set<Form> forms = EnumSet.copyOf(own.forms());
        return (text, key) -> told(text, key, forms, own.share());
    }

    private static Change told(String text, long key, Set<Form> forms, double share) {
        String told = forms.contains(Form.JSON) ? JsonSentences.tell(text).orElse(null) : null;
        if (told == null) {
            told = tellLines(text, forms);
            if (told.equals(text) || !restored(told).equals(text)) {
                return Change.none(text, 0);
            }
        }
        return Mix.unit(key, 0) < share ? new Change(told, 1, 1) : Change.none(text, 1);
    }

    private static String tellLines(String text, Set<Form> forms) {
        List<String> lines = List.of(text.split("\n", -1));
        List<String> told = new ArrayList<>();
        for (int at = 0; at < lines.size(); ) {
            int from = at;
            int size = told.size();
            if (forms.contains(Form.CODE)) {
                at = CodeSentences.tell(lines, at, told);
            }
            if (at == from && forms.contains(Form.TABLE)) {
                at = TableSentences.tell(lines, at, told);
            }
            if (at == from && forms.contains(Form.TRIPLES)) {
                at = TripleSentences.tell(lines, at, told);
            }
            if (at == from) {
                told.add(lines.get(at++));
            } else if (told.size() == size) {
                throw new IllegalStateException("lines became nothing");
            }
        }
        return String.join("\n", told);
    }

    /** The data that sentences of this technique were made from, in place; other text stays. JSON comes without spaces. */
    public static String restored(String text) {
        return JsonSentences.restore(text).orElseGet(() -> {
            List<String> lines = List.of(text.split("\n", -1));
            List<String> restored = new ArrayList<>();
            for (int at = 0; at < lines.size(); ) {
                int from = at;
                at = CodeSentences.restore(lines, at, restored);
                at = at > from ? at : TableSentences.restore(lines, at, restored);
                at = at > from ? at : TripleSentences.restore(lines, at, restored);
                if (at == from) {
                    restored.add(lines.get(at++));
                }
            }
            return String.join("\n", restored);
        });
    }
}
