package quern.tensor;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Which dtype large matrix products of bf16 tensors are fastest in. With AMX, libtorch's bf16 products run at four to eight
 * times the speed of its fp32 ones. Without, they are slower than those on Intel's processors (0.55 of their speed where there
 * is AVX512-BF16, less elsewhere), so that operands are better widened first: nothing is lost, since sums are in fp32 either way.
 */
public final class Products {
    private static final boolean BF16_IS_FAST = isBf16Fast(cpuinfo());

    private Products() {}

    /** Whether bf16 products on the CPU are faster than fp32 ones. */
    public static boolean isBf16Fast() {
        return BF16_IS_FAST;
    }

    /** The dtype in which to multiply matrices of {@code dtype} on {@code device}: that dtype itself, or fp32. */
    public static DType dtype(DType dtype, Device device) {
        return dtype == DType.BF16 && !device.isCuda() && !BF16_IS_FAST ? DType.FP32 : dtype;
    }

    /** From the lines of {@code /proc/cpuinfo}. AMD's AVX512-BF16 has twice the rate of fp32, Intel's half of it. */
    static boolean isBf16Fast(List<String> cpuinfo) {
        Set<String> flags = Set.copyOf(Arrays.asList(value(cpuinfo, "flags").split(" ")));
        return flags.contains("amx_bf16")
                || flags.contains("avx512_bf16") && value(cpuinfo, "vendor_id").equals("AuthenticAMD");
    }

    private static String value(List<String> cpuinfo, String key) {
        return cpuinfo.stream()
                .filter(line -> line.startsWith(key))
                .findFirst()
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .orElse("");
    }

    private static List<String> cpuinfo() {
        try {
            return Files.readAllLines(Path.of("/proc/cpuinfo"), StandardCharsets.UTF_8);
        } catch (IOException e) {
            // Not Linux, or closed off: nothing is known of the processor, and fp32 is slow nowhere.
            return List.of();
        }
    }
}
