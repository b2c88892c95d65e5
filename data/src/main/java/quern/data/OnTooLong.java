package quern.data;

/** What becomes of a document that is longer than a row. */
public enum OnTooLong {
    /** It is refused, and its place named. */
    ERROR,
    /** It is left out. */
    DROP,
    /** Its end is cut off; of a text and its translation in one row, that of the longer one first. */
    TRUNCATE,
    /** It becomes several, each as long as fits, that do not see each other; of prompts and answers, those with an answer. */
    SPLIT
}
