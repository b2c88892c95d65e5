package quern.models.part;

/** Where the norms of a block stand. */
public enum NormPlacement {
    /** {@code x + f(n(x))}, and a norm after the last block (GPT-2, Llama). */
    PRE,
    /** {@code n(x + f(x))}: the first transformer and BERT. */
    POST,
    /** {@code x + m(f(n(x)))}, and a norm after the last block (CogView, Gemma 2). */
    SANDWICH
}
