package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import quern.recipe.QuernException;

/** Whether the kernels can run here. */
public final class Kernels {
    private static final String MODULE = "jdk.incubator.vector";
    /** Narrower vectors (a CPU without AVX2, or a JVM held below it) lose to libtorch's own loops. */
    private static final int MIN_VECTOR_BITS = 256;

    private static final String PROBLEM = problem();
    private static final String UNAVAILABLE = reason();

    private Kernels() {}

    /**
     * Whether the Vector API is there, the CPU has vectors of at least 256 bits, and {@code QUERN_KERNELS} doesn't turn the
     * kernels off; a width that it names is taken, 128 bits too. Asked once when the class loads; false means that callers
     * take libtorch's path.
     *
     * @throws QuernException bad input when {@code QUERN_KERNELS} is neither off nor a width that there is
     */
    public static boolean available() {
        checkSetting();
        return UNAVAILABLE == null;
    }

    /** Why the kernels can't run, on one line, or null when they can. */
    public static String unavailableReason() {
        checkSetting();
        return UNAVAILABLE;
    }

    /** Bits of the vectors that the kernels work with; 0 where they can't run. */
    public static int vectorBits() {
        return available() ? Lanes.bits() : 0;
    }

    private static void checkSetting() {
        if (PROBLEM != null) {
            throw QuernException.badInput("%s", PROBLEM);
        }
    }

    /**
     * Passes when the kernels can run.
     *
     * @throws QuernException failed, with the reason and what to do
     */
    static void require() {
        checkSetting();
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

    private static boolean hasModule() {
        return ModuleLayer.boot().findModule(MODULE).isPresent();
    }

    private static String problem() {
        KernelSetting setting = KernelSetting.CURRENT;
        return hasModule() ? setting.problemWhere(Lanes.widestBits()) : setting.problem();
    }

    private static String reason() {
        if (KernelSetting.CURRENT.off()) {
            return "%s is off; libtorch's operators do the work instead".formatted(KernelSetting.VARIABLE);
        }
        if (!hasModule()) {
            return "the module %s is missing; start Java with --add-modules=%s".formatted(MODULE, MODULE);
        }
        int bits = Lanes.bits();
        return bits >= MIN_VECTOR_BITS || KernelSetting.CURRENT.bits() != 0
                ? null
                : "vectors have %d bits here, at least %d are needed; libtorch's operators do the work instead"
                        .formatted(bits, MIN_VECTOR_BITS);
    }
}
