package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.cli.internal.Posix;

class TerminalTest {
    // No process has so many descriptors open.
    private static final int CLOSED = 1_000_000;

    @Test
    void whatIsNoTerminalGetsPlainLines() {
        Terminal terminal = Terminal.of(System.out, CLOSED, Map.of("TERM", "xterm", "LANG", "de_DE.UTF-8"));
        assertFalse(terminal.interactive());
        assertFalse(terminal.colour());
        assertTrue(terminal.unicode());
        assertEquals(Terminal.DEFAULT_COLUMNS, terminal.columns());
        assertEquals("x", terminal.paint(31, "x"));
        assertFalse(Posix.isTerminal(CLOSED));
        assertEquals(0, Posix.columns(CLOSED));
        assertFalse(Posix.move(CLOSED, CLOSED + 1));
    }

    @Test
    void theLocaleDecidesAboutUnicode() {
        assertTrue(Terminal.isUnicode(Map.of("LANG", "C.UTF-8")));
        assertTrue(Terminal.isUnicode(Map.of("LC_ALL", "", "LC_CTYPE", "en_US.utf8", "LANG", "C")));
        assertFalse(Terminal.isUnicode(Map.of("LC_ALL", "C", "LANG", "en_US.UTF-8")));
        assertFalse(Terminal.isUnicode(Map.of()));
    }
}
