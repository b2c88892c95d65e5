package quern.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What this process has used so far, as Linux counts it.
 *
 * @param seconds of processors, all threads together
 * @param faults first touches of memory that needed no disk (minor page faults)
 */
record ProcessUse(double seconds, long faults) {
    private static final Path STAT = Path.of("/proc/self/stat");
    /** The unit of times in that file, on every Linux. */
    private static final double TICKS_A_SECOND = 100;

    private static final int FAULTS = 7;
    private static final int USER = 11;
    private static final int SYSTEM = 12;

    static ProcessUse read() {
        try {
            String stat = Files.readString(STAT);
            // The name before it may have blanks.
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            double ticks = Long.parseLong(fields[USER]) + Long.parseLong(fields[SYSTEM]);
            return new ProcessUse(ticks / TICKS_A_SECOND, Long.parseLong(fields[FAULTS]));
        } catch (IOException e) {
            throw new IllegalStateException(STAT + " can't be read, so processor time can't be measured", e);
        }
    }

    ProcessUse minus(ProcessUse before) {
        return new ProcessUse(seconds - before.seconds, faults - before.faults);
    }
}
