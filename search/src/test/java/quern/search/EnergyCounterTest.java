package quern.search;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The counters of two packages, as Linux shows them. */
class EnergyCounterTest {
    @TempDir
    Path powercap;

    @Test
    void packagesAddUpPartsDoNotAndWrapsCount() throws IOException {
        domain("intel-rapl:0", 1_000_000, 9_000_000);
        domain("intel-rapl:1", 8_000_000, 9_000_000);
        domain("intel-rapl:0:0", 5, 9_000_000);
        EnergyCounter counter = EnergyCounter.find(powercap).orElseThrow();
        assertEquals(0, counter.joules());
        domain("intel-rapl:0", 3_000_000, 9_000_000);
        domain("intel-rapl:1", 500_000, 9_000_000);
        domain("intel-rapl:0:0", 4_000_000, 9_000_000);
        assertEquals(2 + 1.5, counter.joules(), 1e-9);
        assertEquals(3.5, counter.joules(), 1e-9);
    }

    @Test
    void noCounterIsNoEnergy() throws IOException {
        assertTrue(EnergyCounter.find(powercap).isEmpty());
        assertTrue(EnergyCounter.find(powercap.resolve("missing")).isEmpty());
        Files.createDirectories(powercap.resolve("intel-rapl:0"));
        assertTrue(EnergyCounter.find(powercap).isEmpty(), "a counter that can't be read is none");
    }

    private void domain(String name, long microjoules, long range) throws IOException {
        Path folder = Files.createDirectories(powercap.resolve(name));
        Files.writeString(folder.resolve("energy_uj"), microjoules + "\n");
        Files.writeString(folder.resolve("max_energy_range_uj"), range + "\n");
    }
}
