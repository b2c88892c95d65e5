package quern.data.dedup;

/** Which document of a cluster stays. */
public enum Keep {
    /** The first in the corpus. */
    FIRST,
    /** The one whose text has the most characters (UTF-16 units); of several, the first. */
    LONGEST;

    /** What sorts the documents of a cluster before their place in the corpus does, in ascending order. */
    public long rank(String text) {
        return this == LONGEST ? -text.length() : 0;
    }
}
