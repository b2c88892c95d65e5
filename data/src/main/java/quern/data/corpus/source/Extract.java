package quern.data.corpus.source;

/** Which text of a page counts. */
public enum Extract {
    /** What is there to be read: without navigation, advertisements and other boilerplate. */
    READABLE,
    /** All that is shown. */
    ALL
}
