package quern.data;

/** What the rows of a JSON file are. Objects have the names of their keys as in the data sets of these forms. */
public enum DataFormat {
    /** A text under one key. */
    TEXT,
    /** A task and its answer, in the form of Alpaca: {@code instruction}, {@code input}, which may be empty, {@code output}. */
    INSTRUCTION,
    /** A conversation in the form of TRL: {@code messages} with {@code role} and {@code content}, perhaps {@code tools}. */
    MESSAGES,
    /** A {@code prompt} and its {@code completion}, in the form of TRL: two texts, or two lists of messages. */
    PROMPT_COMPLETION,
    /** A conversation in the form of ShareGPT: {@code conversations} with {@code from} and {@code value}. */
    SHAREGPT;

    /** Whether its rows are read through a chat template where they hold messages. */
    public boolean mayHoldMessages() {
        return this != TEXT && this != INSTRUCTION;
    }
}
