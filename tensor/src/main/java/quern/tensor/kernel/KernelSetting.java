package quern.tensor.kernel;

import java.util.Map;
import java.util.Set;

/**
 * What the environment variable {@code QUERN_KERNELS} asks for: {@code off} for libtorch's operators, or the width of vectors
 * in bits. Unset, vectors are as wide as the CPU's. Child processes inherit it, so one setting holds for a run and all it starts.
 *
 * @param off whether no kernel may run
 * @param bits the width asked for; 0 for the CPU's own
 * @param problem why the value means nothing, on one line; null when it is fine
 */
record KernelSetting(boolean off, int bits, String problem) {
    static final String VARIABLE = "QUERN_KERNELS";

    private static final Set<String> WIDTHS = Set.of("128", "256", "512");

    /** That of this process. */
    static final KernelSetting CURRENT = of(System.getenv());

    static KernelSetting of(Map<String, String> environment) {
        String value = environment.getOrDefault(VARIABLE, "").strip();
        if (value.isEmpty()) {
            return new KernelSetting(false, 0, null);
        }
        if (value.equals("off")) {
            return new KernelSetting(true, 0, null);
        }
        if (WIDTHS.contains(value)) {
            return new KernelSetting(false, Integer.parseInt(value), null);
        }
        return new KernelSetting(
                false,
                0,
                "%s is '%s', expected off, 128, 256 or 512, or nothing for the CPU's own width"
                        .formatted(VARIABLE, value));
    }

    /** What is wrong where vectors have {@code widest} bits at most; null for nothing. */
    String problemWhere(int widest) {
        return problem != null || bits <= widest
                ? problem
                : "%s is %d, but vectors have %d bits here: set it to at most that, or unset it"
                        .formatted(VARIABLE, bits, widest);
    }
}
