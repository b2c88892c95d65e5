package quern.data;

/** What counts as one document in a {@code .txt} file. */
public enum TextUnit {
    /** The whole file. */
    FILE,
    /** A run of lines up to and including the blank lines after it. */
    PARAGRAPH,
    /** A line, without its line ending; empty lines are skipped. */
    LINE
}
