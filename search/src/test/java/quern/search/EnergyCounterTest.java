package quern.search;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
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

    /** A counter serves many runs, of which each counts from its own beginning, and a resumed one adds what it had. */
    @Test
    void aRunCountsFromItsBeginning() throws IOException {
        domain("intel-rapl:0", 0, 9_000_000);
        Optional<EnergyCounter> counter = EnergyCounter.find(powercap);
        domain("intel-rapl:0", 1_000_000, 9_000_000);
        RunMeter first = new RunMeter(counter);
        domain("intel-rapl:0", 3_000_000, 9_000_000);
        assertEquals(2, first.joules().orElseThrow(), 1e-9);
        RunMeter resumed = new RunMeter(counter);
        resumed.load(first.state());
        domain("intel-rapl:0", 3_500_000, 9_000_000);
        assertEquals(2.5, resumed.joules().orElseThrow(), 1e-9);
        assertTrue(resumed.wallSeconds() > 0 && resumed.cpuSeconds() > 0);
        RunMeter withoutBefore = new RunMeter(Optional.empty());
        assertTrue(withoutBefore.joules().isEmpty());
        RunMeter unknownBefore = new RunMeter(counter);
        unknownBefore.load(withoutBefore.state());
        assertTrue(unknownBefore.joules().isEmpty(), "half of a run's energy is not the run's");
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
