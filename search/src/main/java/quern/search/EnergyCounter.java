package quern.search;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Energy that the machine's processors took, by the counters of RAPL (Running Average Power Limit) that Linux shows below
 * {@code /sys/class/powercap}: whole packages, everything that runs on the machine included. Not safe for several threads.
 */
final class EnergyCounter {
    static final Path POWERCAP = Path.of("/sys/class/powercap");

    private final List<Path> packages;
    private final long[] last;
    private final long[] range;
    private double joules;

    private EnergyCounter(List<Path> packages) throws IOException {
        this.packages = packages;
        this.last = new long[packages.size()];
        this.range = new long[packages.size()];
        for (int i = 0; i < last.length; i++) {
            range[i] = value(packages.get(i).resolve("max_energy_range_uj"));
            last[i] = value(packages.get(i).resolve("energy_uj"));
        }
    }

    /** The counters below a folder; empty where there are none or this process may not read them. */
    static Optional<EnergyCounter> find(Path powercap) {
        List<Path> packages = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(powercap, "*-rapl:*")) {
            for (Path entry : entries) {
                // A second colon is a part of a package, which is counted already.
                if (entry.getFileName().toString().matches("[a-z]+-rapl:\\d+")) {
                    packages.add(entry);
                }
            }
            return packages.isEmpty() ? Optional.empty() : Optional.of(new EnergyCounter(packages));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Joules since this counter was found; asked for at least every few minutes, since the counters wrap around. */
    double joules() throws IOException {
        for (int i = 0; i < last.length; i++) {
            long now = value(packages.get(i).resolve("energy_uj"));
            joules += (now >= last[i] ? now - last[i] : range[i] - last[i] + now) / 1e6;
            last[i] = now;
        }
        return joules;
    }

    private static long value(Path file) throws IOException {
        try {
            return Long.parseLong(Files.readString(file).strip());
        } catch (NumberFormatException e) {
            throw new IOException(file + ": no number", e);
        }
    }
}
