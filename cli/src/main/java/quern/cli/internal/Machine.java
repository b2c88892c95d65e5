package quern.cli.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What Linux tells about the machine in its {@code /proc} files.
 *
 * @param cpu the processor's model name
 * @param features of the vector instructions that matter here: {@code avx2}, {@code avx512f}, {@code avx512_bf16},
 *     {@code amx_bf16}, in this order, those that the processor has
 * @param memoryTotal bytes of memory
 * @param memoryAvailable bytes that can be had without swapping
 */
public record Machine(String cpu, Set<String> features, long memoryTotal, long memoryAvailable) {
    private static final List<String> FEATURES = List.of("avx2", "avx512f", "avx512_bf16", "amx_bf16");

    /** This machine. */
    public static Machine read() throws IOException {
        return parse(Files.readAllLines(Path.of("/proc/cpuinfo")), Files.readAllLines(Path.of("/proc/meminfo")));
    }

    /** From the lines of {@code cpuinfo} and {@code meminfo}. */
    public static Machine parse(List<String> cpuinfo, List<String> meminfo) {
        Set<String> flags = Set.of(value(cpuinfo.stream(), "flags").orElse("").split(" "));
        Set<String> features = new LinkedHashSet<>(FEATURES);
        features.retainAll(flags);
        Map<String, Long> memory = new TreeMap<>();
        for (String name : List.of("MemTotal", "MemAvailable")) {
            String kibibytes = value(meminfo.stream(), name).orElse("0 kB").replace(" kB", "");
            memory.put(name, Long.parseLong(kibibytes) * 1024);
        }
        return new Machine(
                value(cpuinfo.stream(), "model name").orElse("unknown"),
                features,
                memory.get("MemTotal"),
                memory.get("MemAvailable"));
    }

    private static Optional<String> value(Stream<String> lines, String key) {
        return lines.filter(line -> line.startsWith(key) && line.contains(":"))
                .findFirst()
                .map(line -> line.substring(line.indexOf(':') + 1).strip());
    }
}
