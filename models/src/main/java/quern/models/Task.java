package quern.models;

/** What a model is for: which head stands on its body, and which loss it learns by. */
public enum Task {
    /** Predicts the next token. */
    CAUSAL_LM("ForCausalLM"),
    /** Predicts hidden tokens from both sides. */
    MASKED_LM("ForMaskedLM"),
    /** Predicts hidden tokens, and whether the second text follows the first. */
    PRE_TRAINING("ForPreTraining"),
    /** Predicts whether the second text follows the first. */
    NEXT_SENTENCE("ForNextSentencePrediction"),
    /** Writes one text after reading another. */
    SEQ2SEQ_LM("ForConditionalGeneration"),
    /** Labels a text, or gives it numbers. */
    SEQUENCE_CLASSIFICATION("ForSequenceClassification"),
    /** Labels each token. */
    TOKEN_CLASSIFICATION("ForTokenClassification"),
    /** Finds where the answer starts and ends. */
    QUESTION_ANSWERING("ForQuestionAnswering"),
    /** Gives a text one number, how good it is: sequence classification with a single label. */
    REWARD("ForSequenceClassification"),
    /** Tells which image and text belong together. */
    CONTRASTIVE("Model"),
    /** Turns images into tokens and back. */
    IMAGE_TOKENS("Model"),
    /** The body alone: hidden states. */
    MODEL("Model");

    private final String suffix;

    Task(String suffix) {
        this.suffix = suffix;
    }

    /** How transformers' class names for this task end, in most families. */
    public String suffix() {
        return suffix;
    }

    /** The name in recipes and messages: {@code causal_lm}. */
    public String id() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** The task of that name, as {@link #id} gives it. */
    public static Task of(String id) {
        for (Task task : values()) {
            if (task.id().equals(id)) {
                return task;
            }
        }
        throw new IllegalArgumentException("no task is called '" + id + "'");
    }
}
