package quern.models.part.sharing;

import quern.models.part.Composition;
import quern.models.part.Stack;

/** Numbers that must divide those of the blocks. */
final class Divisions {
    private Divisions() {}

    static void check(Composition c, String key, int parts) {
        for (Stack stack : c.parts().structure().stacks(c)) {
            if (stack.layers() % parts != 0) {
                throw new IllegalArgumentException(
                        "weight_sharing: %s: %d does not divide the %d blocks; choose a divisor, or other blocks"
                                .formatted(key, parts, stack.layers()));
            }
        }
    }
}
