package quern.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Resident memory of a Linux process in bytes, native allocations included, which the heap's own figures do not show.
 *
 * @param total all resident pages ({@code VmRSS})
 * @param anonymous pages not backed by a file ({@code RssAnon}): heap, native allocations, stacks; the figure to watch
 *     for leaks, since mapped files come and go with the page cache
 * @param peak the largest total so far ({@code VmHWM})
 */
public record ResidentMemory(long total, long anonymous, long peak) {

    /** This process now. */
    public static ResidentMemory now() {
        return read(Path.of("/proc/self/status"));
    }

    /** Another process now. */
    public static ResidentMemory of(long pid) {
        return read(Path.of("/proc", Long.toString(pid), "status"));
    }

    /**
     * Resident bytes of this process by mapping name ({@code [heap]}, a library's path, {@code [anonymous]}), largest
     * first: where memory went when a total has grown. From {@code /proc/self/smaps}.
     */
    public static Map<String, Long> byMapping() {
        return byMapping(lines(Path.of("/proc/self/smaps")));
    }

    static Map<String, Long> byMapping(List<String> smaps) {
        Map<String, Long> sums = new LinkedHashMap<>();
        String name = null;
        for (String line : smaps) {
            String[] fields = line.strip().split("\\s+", 6);
            if (!fields[0].endsWith(":")) {
                // A mapping's first line: range, permissions, offset, device, inode, and a name unless anonymous.
                name = fields.length == 6 ? fields[5] : "[anonymous]";
            } else if (fields[0].equals("Rss:") && name != null) {
                sums.merge(name, kilobytes(line), Long::sum);
            }
        }
        Map<String, Long> sorted = new LinkedHashMap<>();
        try (Stream<Map.Entry<String, Long>> entries = sums.entrySet().stream()) {
            entries.sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                    .forEachOrdered(entry -> sorted.put(entry.getKey(), entry.getValue()));
        }
        return sorted;
    }

    private static ResidentMemory read(Path status) {
        List<String> lines = lines(status);
        return new ResidentMemory(
                field(status, lines, "VmRSS:"), field(status, lines, "RssAnon:"), field(status, lines, "VmHWM:"));
    }

    private static long field(Path file, List<String> lines, String name) {
        for (String line : lines) {
            if (line.startsWith(name)) {
                return kilobytes(line);
            }
        }
        throw new IllegalStateException(file + " has no line " + name + "; the process may have ended");
    }

    /** The bytes in a line like {@code VmRSS:   1234 kB}. */
    private static long kilobytes(String line) {
        return 1024 * Long.parseLong(line.strip().split("\\s+")[1]);
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(file + " cannot be read: the process has ended, or this is not Linux", e);
        }
    }
}
