package quern.data.corpus.internal;

import java.io.IOException;
import java.io.InputStream;
import java.lang.Character.UnicodeScript;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.MissingResourceException;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import opennlp.tools.langdetect.Language;
import opennlp.tools.langdetect.LanguageDetectorME;
import opennlp.tools.langdetect.LanguageDetectorModel;

/**
 * Identifies the language of a text: first by its script, since many a script is written by one language alone, then
 * among the languages of that script by Apache OpenNLP's model of 103 languages (a maximum-entropy classifier over
 * character n-grams). Languages go by their code of two letters (ISO 639-1) where they have one, else by the one of three.
 */
public final class Languages {
    /** The language of a text that none fits, as ISO 639 codes it. */
    public static final String UNDETERMINED = "und";

    private static final String MODEL = "/langdetect-183.bin";
    /** The model calls some languages by the code of one of their forms; of Persian it knows both codes. */
    private static final Map<String, String> OWN_CODES =
            Map.of("cmn", "zh", "nob", "no", "ekk", "et", "lvs", "lv", "pes", "fa", "plt", "mg");

    /** Scripts of one language, of those that are known. */
    private static final Map<UnicodeScript, String> OF_ONE = Map.ofEntries(
            Map.entry(UnicodeScript.HAN, "zh"),
            Map.entry(UnicodeScript.HIRAGANA, "ja"),
            Map.entry(UnicodeScript.KATAKANA, "ja"),
            Map.entry(UnicodeScript.HANGUL, "ko"),
            Map.entry(UnicodeScript.THAI, "th"),
            Map.entry(UnicodeScript.GREEK, "el"),
            Map.entry(UnicodeScript.HEBREW, "he"),
            Map.entry(UnicodeScript.ARMENIAN, "hy"),
            Map.entry(UnicodeScript.GEORGIAN, "ka"),
            Map.entry(UnicodeScript.TAMIL, "ta"),
            Map.entry(UnicodeScript.TELUGU, "te"),
            Map.entry(UnicodeScript.KANNADA, "kn"),
            Map.entry(UnicodeScript.MALAYALAM, "ml"),
            Map.entry(UnicodeScript.GUJARATI, "gu"),
            Map.entry(UnicodeScript.GURMUKHI, "pa"),
            Map.entry(UnicodeScript.BENGALI, "bn"),
            Map.entry(UnicodeScript.SINHALA, "si"));

    /** Scripts of several languages; all other languages write Latin, and Serbian writes two. */
    private static final Map<UnicodeScript, Set<String>> OF_SEVERAL = Map.of(
            UnicodeScript.CYRILLIC,
            Set.of(
                    "ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "mn", "tg", "tt", "ba", "cv", "ce", "os", "myv",
                    "mhr"),
            UnicodeScript.ARABIC,
            Set.of("ar", "fa", "ur", "ps", "ug", "sd", "ckb", "azb", "pnb", "arz"),
            UnicodeScript.DEVANAGARI,
            Set.of("hi", "mr", "ne", "sa", "gom", "mai", "bh"));

    private static final Set<String> NOT_LATIN = notLatin();
    /** Japanese writes more Han characters than others, but hardly a sentence without any other. */
    private static final double KANA_SHARE = 0.05;

    private static final Map<String, String> TWO_LETTERS = twoLetters();

    private final LanguageDetectorModel model;
    private final ThreadLocal<LanguageDetectorME> detectors;

    private static final class Loaded {
        static final Languages ONLY = new Languages();
    }

    /** A language and how sure that is, in [0, 1]. */
    public record Guess(String language, double confidence) {}

    private Languages() {
        try (InputStream in = LanguageDetectorModel.class.getResourceAsStream(MODEL)) {
            if (in == null) {
                throw new IllegalStateException("the model of languages is not on the class path");
            }
            model = new LanguageDetectorModel(in);
        } catch (IOException e) {
            throw new IllegalStateException("the model of languages can't be read", e);
        }
        detectors = ThreadLocal.withInitial(() -> new LanguageDetectorME(model));
    }

    /** The identifier; loaded when it is first asked for. */
    public static Languages get() {
        return Loaded.ONLY;
    }

    /** The codes of all languages it knows. */
    public Set<String> known() {
        Set<String> known = new TreeSet<>();
        for (String code : detectors.get().getSupportedLanguages()) {
            known.add(code(code));
        }
        return known;
    }

    /**
     * The likeliest language of a text.
     *
     * @param among the only ones it may be, whose probabilities are scaled to sum to 1; empty for all
     */
    public Guess identify(CharSequence text, Set<String> among) {
        Map<UnicodeScript, Integer> scripts = scripts(text);
        int letters = scripts.values().stream().mapToInt(Integer::intValue).sum();
        UnicodeScript most = UnicodeScript.LATIN;
        for (Map.Entry<UnicodeScript, Integer> entry : scripts.entrySet()) {
            most = entry.getValue() > scripts.getOrDefault(most, 0) ? entry.getKey() : most;
        }
        int kana = scripts.getOrDefault(UnicodeScript.HIRAGANA, 0) + scripts.getOrDefault(UnicodeScript.KATAKANA, 0);
        int han = scripts.getOrDefault(UnicodeScript.HAN, 0);
        boolean japanese = kana > 0 && kana >= KANA_SHARE * (han + kana) && 2 * (han + kana) >= letters;
        String only = japanese ? "ja" : OF_ONE.get(most);
        if (only != null && (among.isEmpty() || among.contains(only))) {
            int own = japanese ? han + kana : scripts.get(most);
            return new Guess(only, (double) own / letters);
        }
        return byModel(text, most, among);
    }

    private Guess byModel(CharSequence text, UnicodeScript script, Set<String> among) {
        Map<String, Double> shares = new TreeMap<>();
        for (Language language : detectors.get().predictLanguages(text)) {
            String code = code(language.getLang());
            boolean written =
                    OF_SEVERAL.containsKey(script) ? OF_SEVERAL.get(script).contains(code) : !NOT_LATIN.contains(code);
            if (written && (among.isEmpty() || among.contains(code))) {
                shares.merge(code, language.getConfidence(), Double::sum);
            }
        }
        String best = "";
        double sum = 0;
        for (Map.Entry<String, Double> share : shares.entrySet()) {
            sum += share.getValue();
            best = share.getValue() > shares.getOrDefault(best, 0.0) ? share.getKey() : best;
        }
        return best.isEmpty() ? new Guess(UNDETERMINED, 0) : new Guess(best, shares.get(best) / sum);
    }

    private static Map<UnicodeScript, Integer> scripts(CharSequence text) {
        Map<UnicodeScript, Integer> counts = new EnumMap<>(UnicodeScript.class);
        text.codePoints()
                .filter(Character::isLetter)
                .forEach(letter -> counts.merge(UnicodeScript.of(letter), 1, Integer::sum));
        return counts;
    }

    private static Set<String> notLatin() {
        Set<String> codes = new TreeSet<>(OF_ONE.values());
        OF_SEVERAL.values().forEach(codes::addAll);
        codes.remove("sr");
        return codes;
    }

    /** The code by which a language goes here, of a code of two or three letters. */
    public static String code(String given) {
        String base = given.toLowerCase(Locale.ROOT).split("[-_]", 2)[0];
        String own = OWN_CODES.get(base);
        return own != null ? own : TWO_LETTERS.getOrDefault(base, base);
    }

    private static Map<String, String> twoLetters() {
        Map<String, String> codes = new HashMap<>();
        Arrays.stream(Locale.getISOLanguages()).sorted().forEach(two -> {
            try {
                codes.put(Locale.of(two).getISO3Language(), Locale.of(two).getLanguage());
            } catch (MissingResourceException e) {
                // It has no code of three letters, so nothing to translate.
                codes.remove(two);
            }
        });
        return codes;
    }
}
