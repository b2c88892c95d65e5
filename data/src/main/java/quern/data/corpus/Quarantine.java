package quern.data.corpus;

/** Takes what could not be read, or was repaired in reading. Safe for several threads. */
public interface Quarantine {
    /**
     * A record that is left out.
     *
     * @param place the file, and the line or the position in it
     * @param reason one of few, as it is counted: {@code invalid_json}
     * @param detail what was found
     */
    void add(String place, String reason, String detail);

    /**
     * Something that was mended or passed over, and how often: {@code replaced_bytes}, {@code empty}.
     */
    void count(String what, long times);
}
