package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;

/** Copies of records with other values. */
class RecordsTest {
    /** Refuses what is below 1. */
    public record Size(String name, int width, double share) {
        /** Refuses what is below 1. */
        public Size {
            if (width < 1) {
                throw new IllegalArgumentException("width: " + width + " is below 1");
            }
        }
    }

    private static final Size SIZE = new Size("a", 3, 0.5);

    @Test
    void whatIsNotNamedStays() {
        assertEquals(new Size("a", 4, 0.5), Records.with(SIZE, Map.of("width", 4)));
        assertEquals(new Size("b", 3, 1.0), Records.with(SIZE, Map.of("name", "b", "share", 1.0)));
        assertEquals(SIZE, Records.with(SIZE, Map.of()));
    }

    @Test
    void theConstructorRefusesAndSoDoesAWrongName() {
        assertEquals(
                "width: 0 is below 1",
                assertThrows(IllegalArgumentException.class, () -> Records.with(SIZE, Map.of("width", 0)))
                        .getMessage());
        assertEquals(
                "Size has no [height]",
                assertThrows(IllegalArgumentException.class, () -> Records.with(SIZE, Map.of("height", 1)))
                        .getMessage());
    }
}
