package quern.data.augment;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Markup of science as in Galactica (Taylor et al. 2022, arXiv:2211.09085, section 3): formulas, citations, molecules,
 * proteins, genes, quantities and step-by-step work are put between tokens that say what they are, such as {@code
 * [START_SMILES]}, so that a model knows where the language changes. {@link #unmarked} takes the tokens out again and gives
 * the text as it was. A text that holds such tokens already stays as it is.
 *
 * <p>What a passage is, is told by its form alone: a molecule is a run of at least five symbols of SMILES with balanced
 * brackets, every ring closed, and a bond, branch, ring or bracket in it; a protein a run of at least twenty letters of amino
 * acids, a gene one of at least twenty of bases. Work is a block of lines that begin with {@code Step} and a number.
 */
public final class ScientificMarkup implements Augmentation {
    /** What is marked. */
    public enum Passage {
        /** Formulas between dollar signs, {@code \( \)} and {@code \[ \]}, and environments of equations. */
        LATEX("[START_LATEX]", "[END_LATEX]"),
        /** {@code \cite}, numbers in square brackets, authors and a year in round ones. */
        CITATION("[START_REF]", "[END_REF]"),
        /** Molecules in SMILES. */
        SMILES("[START_SMILES]", "[END_SMILES]"),
        /** Proteins by their amino acids. */
        PROTEIN("[START_AMINO]", "[END_AMINO]"),
        /** Genes by their bases. */
        DNA("[START_DNA]", "[END_DNA]"),
        /** A number and its unit. */
        UNIT("[START_UNIT]", "[END_UNIT]"),
        /** Reasoning in steps. */
        WORK("<work>", "</work>");

        private final String start;
        private final String end;

        Passage(String start, String end) {
            this.start = start;
            this.end = end;
        }

        /** The token before such a passage. */
        public String start() {
            return start;
        }

        /** The token behind such a passage. */
        public String end() {
            return end;
        }
    }

    /**
     * @param share of passages that are marked, each for itself
     * @param passages what is marked
     * @param seed chooses other passages
     */
    public record Config(
            @Doc("The share of passages that are marked.") @Default("1.0") @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("What is marked: latex, citation, smiles, protein, dna, unit, work.")
            @Default("[latex, citation, smiles, protein, dna, unit, work]")
            List<Passage> passages,

            @Doc("Chooses other passages.") @Default("0") long seed)
            implements Settings {
        /** Refuses an empty list. */
        public Config {
            passages = List.copyOf(passages);
            if (passages.isEmpty()) {
                throw new IllegalArgumentException("passages: empty; name one, or leave the augmentation out");
            }
        }
    }

    private static final int LEAST_SMILES = 5;

    // Every repetition is possessive or bounded, so that a search takes time linear in the text.
    private static final Pattern ANY = Pattern.compile(
            "(?<work>(?m:^Step \\d{1,3}\\b[^\\n]{0,2000}+$)(?:\\nStep \\d{1,3}\\b[^\\n]{0,2000}+){0,500}+)"
                    + "|(?<latex>\\$\\$[^$]{1,2000}+\\$\\$|\\$(?![\\s\\d])[^$\\n]{1,400}+(?<!\\s)\\$(?!\\d)"
                    + "|\\\\\\([^\\\\\\n]{0,9}+(?:\\\\(?!\\))[^\\\\\\n]{0,400}+){0,100}+[^\\\\\\n]{0,400}+\\\\\\)"
                    + "|\\\\\\[(?:[^\\\\]|\\\\(?!\\])){1,2000}+\\\\\\]"
                    + "|\\\\begin\\{(?<name>equation|align|gather)\\*?\\}(?:[^\\\\]|\\\\(?!end\\{)){1,2000}+\\\\end\\{\\k<name>\\*?\\})"
                    + "|(?<citation>\\\\cite[pt]?\\{[^}\\n]{1,200}+\\}|\\[\\d{1,3}(?:[,\\u2013-] ?\\d{1,3}){0,20}+\\]"
                    + "|\\(\\p{Lu}[\\p{L}'\\u2019-]{1,30}+(?: et al\\.| (?:and|&) \\p{Lu}[\\p{L}'\\u2019-]{1,30}+)?+,? (?:19|20)\\d\\d[a-z]?\\))"
                    + "|(?<unit>(?<![\\w.])[+\\u2212-]?\\d{1,15}+(?:[.,]\\d{1,15}+)?+(?:e[+-]?\\d{1,3})? ?"
                    + "(?:km/s|km/h|m/s\\^?2?|kg/m\\^?3|g/mol|mol/L|mg/mL|J/K|W/m\\^?2|kHz|MHz|GHz|Hz|kPa|MPa|GPa|Pa|kJ|MJ|kW|MW"
                    + "|keV|MeV|GeV|eV|mmol|mol|nm|\\u00b5m|um|mm|cm|km|mg|\\u00b5g|kg|mL|ms|ns|\\u00b0C|\\u00b0F|K|Pa|J|W|V|N|kB|MB|GB|TB)"
                    + "(?![\\w/^]))"
                    + "|(?<run>(?<![^\\s(\"'])[A-Za-z\\[][\\w@+\\-\\[\\]()=#/\\\\%.*:]{4,2000}+)");

    private static final Pattern ATOMS =
            Pattern.compile("(?:Cl|Br|[BCNOPSFI]|[bcnops]|\\[[A-Za-z0-9@+\\-:]{1,20}+\\]|%\\d\\d|[0-9=#()/\\\\.:-])++");
    private static final Pattern AMINO = Pattern.compile("[ACDEFGHIKLMNPQRSTVWY]{20,}+");
    private static final Pattern BASES = Pattern.compile("[ACGTU]{20,}+");

    @Override
    public String id() {
        return "scientific";
    }

    @Override
    public String summary() {
        return "marks formulas, citations, molecules, proteins, quantities and work (Galactica)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<String> specialTokens(Record config) {
        List<String> tokens = new ArrayList<>();
        for (Passage passage : ((Config) config).passages()) {
            tokens.add(passage.start());
            tokens.add(passage.end());
        }
        return tokens;
    }

    @Override
    public Rewriting rewriting(Record config) {
        Config own = (Config) config;
        Set<Passage> wanted = EnumSet.copyOf(own.passages());
        return (text, key) -> marked(text, key, wanted, own.share());
    }

    private static Change marked(String text, long key, Set<Passage> wanted, double share) {
        if (!unmarked(text).equals(text)) {
            return Change.none(text, 0);
        }
        Matcher found = ANY.matcher(text);
        StringBuilder marked = new StringBuilder(text.length() + 64);
        int at = 0;
        int units = 0;
        int changed = 0;
        while (found.find()) {
            int end = found.end();
            Passage passage;
            if (found.group("run") != null) {
                end = trimmed(text, found.start(), end);
                passage = sequence(text.substring(found.start(), end));
            } else {
                passage = found.group("work") != null
                        ? Passage.WORK
                        : found.group("latex") != null
                                ? Passage.LATEX
                                : found.group("citation") != null ? Passage.CITATION : Passage.UNIT;
            }
            if (passage == null || !wanted.contains(passage)) {
                continue;
            }
            if (Mix.unit(key, units++) < share) {
                marked.append(text, at, found.start())
                        .append(passage.start())
                        .append(text, found.start(), end)
                        .append(passage.end());
                at = end;
                changed++;
            }
        }
        String whole = marked.append(text, at, text.length()).toString();
        // Characters around a token taken out might make another one.
        return unmarked(whole).equals(text) ? new Change(whole, units, changed) : Change.none(text, units);
    }

    /** A run without the punctuation of the sentence around it. */
    private static int trimmed(String text, int start, int end) {
        int last = end;
        while (last > start && ".:-".indexOf(text.charAt(last - 1)) >= 0) {
            last--;
        }
        long open = text.substring(start, last).chars().filter(c -> c == '(').count();
        long closed = text.substring(start, last).chars().filter(c -> c == ')').count();
        while (closed > open && text.charAt(last - 1) == ')') {
            last--;
            closed--;
        }
        return last;
    }

    private static Passage sequence(String run) {
        if (BASES.matcher(run).matches()) {
            return Passage.DNA;
        }
        if (AMINO.matcher(run).matches()) {
            return Passage.PROTEIN;
        }
        return isSmiles(run) ? Passage.SMILES : null;
    }

    private static boolean isSmiles(String run) {
        if (run.length() < LEAST_SMILES || !ATOMS.matcher(run).matches()) {
            return false;
        }
        int depth = 0;
        boolean bracket = false;
        int[] rings = new int[10];
        int signs = 0;
        int atoms = 0;
        for (char c : run.toCharArray()) {
            if (c == '[' || c == ']') {
                bracket = c == '[';
                signs++;
            } else if (!bracket) {
                depth += c == '(' ? 1 : c == ')' ? -1 : 0;
                if (depth < 0) {
                    return false;
                }
                if (Character.isDigit(c)) {
                    rings[c - '0']++;
                }
                signs += Character.isDigit(c) || "=#()".indexOf(c) >= 0 ? 1 : 0;
                atoms += Character.isLetter(c) ? 1 : 0;
            }
        }
        for (int count : rings) {
            if (count % 2 != 0) {
                return false;
            }
        }
        return depth == 0 && signs > 0 && atoms + signs >= LEAST_SMILES && atoms > 1;
    }

    /** A text without the tokens of the markup. */
    public static String unmarked(String text) {
        String plain = text;
        for (Passage passage : Passage.values()) {
            plain = plain.replace(passage.start(), "").replace(passage.end(), "");
        }
        return plain;
    }
}
