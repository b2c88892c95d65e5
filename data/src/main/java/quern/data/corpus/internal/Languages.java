package quern.data.corpus.internal;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.MissingResourceException;
import java.util.Set;
import java.util.TreeSet;
import opennlp.tools.langdetect.Language;
import opennlp.tools.langdetect.LanguageDetectorME;
import opennlp.tools.langdetect.LanguageDetectorModel;

/**
 * Identifies the language of a text by Apache OpenNLP's model of 103 languages (a maximum-entropy classifier over
 * character n-grams). Languages go by their code of two letters (ISO 639-1) where they have one, else by the one of three.
 */
public final class Languages {
    private static final String MODEL = "/langdetect-183.bin";
    /** The model knows two written forms of Chinese and calls Norwegian by its written form. */
    private static final Map<String, String> OWN_CODES = Map.of("cmn", "zh", "nob", "no", "ekk", "et", "lvs", "lv");

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
        Map<String, Double> shares = new HashMap<>();
        for (Language language : detectors.get().predictLanguages(text)) {
            shares.merge(code(language.getLang()), language.getConfidence(), Double::sum);
        }
        String best = "";
        double most = -1;
        double sum = 0;
        List<String> codes = new ArrayList<>(shares.keySet());
        codes.sort(null);
        for (String code : codes) {
            if (among.isEmpty() || among.contains(code)) {
                double share = shares.get(code);
                sum += share;
                if (share > most) {
                    best = code;
                    most = share;
                }
            }
        }
        return new Guess(best, sum > 0 ? most / sum : 0);
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
