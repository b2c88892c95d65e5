package quern.data.dedup;

import java.text.Normalizer;

/** A normal form of Unicode (Unicode Standard Annex #15) that texts are brought to before they are compared. */
public enum UnicodeForm {
    /** Texts as they are. */
    NONE(null),
    /** Letters and their accents as one character where there is one. */
    NFC(Normalizer.Form.NFC),
    /** As {@link #NFC}, and ligatures, full-width letters and the like as their plain forms. */
    NFKC(Normalizer.Form.NFKC);

    private final Normalizer.Form form;

    UnicodeForm(Normalizer.Form form) {
        this.form = form;
    }

    String apply(String text) {
        return form == null || isAscii(text) || Normalizer.isNormalized(text, form)
                ? text
                : Normalizer.normalize(text, form);
    }

    private static boolean isAscii(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) >= 128) {
                return false;
            }
        }
        return true;
    }
}
