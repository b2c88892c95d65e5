package quern.data;

/** What the rows of a JSON file are. */
public enum DataFormat {
    /** A text under one key. */
    TEXT,
    /** A task and its answer, in the form of Alpaca: {@code instruction}, {@code input}, which may be empty, {@code output}. */
    INSTRUCTION
}
