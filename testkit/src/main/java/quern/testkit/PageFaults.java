package quern.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Page faults of this process that needed no disk, as Linux counts them: every first touch of a page of memory. */
public final class PageFaults {
    private static final Path STAT = Path.of("/proc/self/stat");
    /** The field after the process's name, which may hold blanks, is number 0. */
    private static final int MINOR = 7;

    private PageFaults() {}

    /** How many there were since the process began, of all its threads. */
    public static long minor() {
        try {
            String stat = Files.readString(STAT);
            return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[MINOR]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
