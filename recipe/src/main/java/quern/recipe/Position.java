package quern.recipe;

/**
 * Where something was written: a file with a line and a column, both counted from 1. A place without lines, such as a
 * command-line override ({@code command line: learning_rate=x}), has line 0 and is shown by its name alone.
 *
 * @param file the file as the user named it, or the place's name
 * @param line the line from 1, or 0 where there are none
 * @param column the column from 1, or 0 where there are none
 */
public record Position(String file, int line, int column) {
    /** A place without lines. */
    public static Position of(String place) {
        return new Position(place, 0, 0);
    }

    /** {@code file:line:column}, or the place's name alone. */
    @Override
    public String toString() {
        return line == 0 ? file : file + ":" + line + ":" + column;
    }
}
