package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import quern.recipe.QuernException;

/** Whether the kernels can run here. */
public final class Kernels {
    private static final String MODULE = "jdk.incubator.vector";
    /** Narrower vectors (a CPU without AVX2, or a JVM held below it) lose to libtorch's own loops. */
    private static final int MIN_VECTOR_BITS = 256;

    private static final String UNAVAILABLE = reason();

    private Kernels() {}

    /**
     * Whether the Vector API is there and the CPU has vectors of at least 256 bits. Asked once when the class loads; false
     * means that callers take libtorch's path.
     */
    public static boolean available() {
        return UNAVAILABLE == null;
    }

    /** Why the kernels can't run, on one line, or null when they can. */
    public static String unavailableReason() {
        return UNAVAILABLE;
    }

    /**
     * Passes when the kernels can run.
     *
     * @throws QuernException failed, with the reason and what to do
     */
    static void require() {
        if (UNAVAILABLE != null) {
            throw QuernException.failed("the CPU kernels can't run: %s", UNAVAILABLE);
        }
    }

    /** Checks that a segment holds what a kernel is about to touch. */
    static void checkHolds(String what, MemorySegment segment, long elements, int elementBytes) {
        long needed = Math.multiplyExact(elements, (long) elementBytes);
        if (segment.byteSize() < needed) {
            throw new IllegalArgumentException("%s has %d bytes, %d elements of %d bytes take %d"
                    .formatted(what, segment.byteSize(), elements, elementBytes, needed));
        }
    }

    /** Checks that a segment holds what a kernel is about to write, and may be written. */
    static void checkWritable(String what, MemorySegment segment, long elements, int elementBytes) {
        checkHolds(what, segment, elements, elementBytes);
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException(what + " is read-only, but the kernel writes it");
        }
    }

    private static String reason() {
        if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
            return "the module %s is missing; start Java with --add-modules=%s".formatted(MODULE, MODULE);
        }
        int bits = Lanes.bits();
        return bits >= MIN_VECTOR_BITS
                ? null
                : "vectors have %d bits here, at least %d are needed; libtorch's operators do the work instead"
                        .formatted(bits, MIN_VECTOR_BITS);
    }
}
