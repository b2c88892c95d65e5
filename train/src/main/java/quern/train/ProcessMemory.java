package quern.train;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Resident memory of this process in bytes, as Linux counts it.
 *
 * @param now resident bytes ({@code VmRSS})
 * @param peak the most since the last {@link #forgetPeak}, or since the process began ({@code VmHWM})
 */
public record ProcessMemory(long now, long peak) {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");
    private static final Path MACHINE = Path.of("/proc/meminfo");
    private static final String FORGET_PEAK = "5";

    /** As it is now. */
    public static ProcessMemory read() {
        return new ProcessMemory(field(STATUS, "VmRSS:"), field(STATUS, "VmHWM:"));
    }

    /** The {@link #peak} as it is now, in megabytes. */
    public static double peakMegabytes() {
        return read().peak() / 1e6;
    }

    /** Bytes of the machine that can be had without swapping. */
    public static long available() {
        return field(MACHINE, "MemAvailable:");
    }

    /** Lets the peak start again from what is resident now. */
    public static void forgetPeak() {
        try {
            Files.writeString(CLEAR, FORGET_PEAK);
        } catch (IOException e) {
            throw new IllegalStateException(CLEAR + " can't be written, so a peak can't be measured", e);
        }
    }

    /** True if this process may {@link #forgetPeak}: the system keeps some processes from writing that file. */
    public static boolean canForgetPeak() {
        return Files.isWritable(CLEAR);
    }

    /**
     * Gives the system back what neither Java's heap nor the C library's allocator needs now, so that the next peak is not
     * that of an earlier training.
     */
    public static void releaseFree() {
        System.gc();
        Linker linker = Linker.nativeLinker();
        Optional<java.lang.foreign.MemorySegment> trim = linker.defaultLookup().find("malloc_trim");
        if (trim.isEmpty()) {
            return; // only glibc keeps what was freed in this way
        }
        try {
            int released = (int) linker.downcallHandle(
                            trim.get(), FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG))
                    .invokeExact(0L);
        } catch (Throwable e) {
            throw new IllegalStateException("malloc_trim cannot be called", e);
        }
    }

    private static long field(Path file, String name) {
        try {
            for (String line : Files.readAllLines(file)) {
                if (line.startsWith(name)) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(file + " can't be read, so memory can't be measured", e);
        }
        throw new IllegalStateException(file + " says nothing about " + name);
    }
}
