package quern.nn;

import java.util.Locale;

/** What the numbers of a sequence-classification head mean, by transformers' names. */
public enum ProblemType {
    /** Numbers to come close to: mean squared error. Labels are floating-point [B] or [B, L]. */
    REGRESSION,
    /** One label of several: cross-entropy. Labels are int64 [B], -100 where not counted. */
    SINGLE_LABEL_CLASSIFICATION,
    /** Any of several labels: binary cross-entropy each. Labels are floating-point [B, L]. */
    MULTI_LABEL_CLASSIFICATION;

    /** The value of {@code problem_type}. */
    public String id() {
        return name().toLowerCase(Locale.ROOT);
    }
}
