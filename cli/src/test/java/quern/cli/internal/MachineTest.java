package quern.cli.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MachineTest {
    @Test
    void procFilesAreRead() {
        Machine machine = Machine.parse(
                List.of(
                        "processor\t: 0",
                        "model name\t: A CPU @ 2 GHz",
                        "flags\t\t: fpu avx2 amx_bf16 avx",
                        "flags : x"),
                List.of("MemTotal:       24000000 kB", "MemAvailable:    1000 kB"));
        assertEquals(new Machine("A CPU @ 2 GHz", Set.of("avx2", "amx_bf16"), 24_000_000L * 1024, 1_024_000), machine);
        assertEquals(List.of("avx2", "amx_bf16"), List.copyOf(machine.features()));
        assertEquals("unknown", Machine.parse(List.of(), List.of()).cpu());
    }

    @Test
    void thisMachineHasMemory() throws IOException {
        Machine machine = Machine.read();
        assertTrue(machine.memoryTotal() > machine.memoryAvailable() && machine.memoryAvailable() > 0);
    }
}
