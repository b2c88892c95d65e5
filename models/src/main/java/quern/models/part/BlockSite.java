package quern.models.part;

/**
 * Where a branch stands.
 *
 * @param assembly gives the parameters
 * @param stack the stack
 * @param name the block's, which owns the branch's probe points and starts its parameters' names
 * @param layer the block's number in its stack, from 0, and its place in a cache
 */
public record BlockSite(Assembly assembly, Stack stack, String name, int layer) {
    /** The settings. */
    public Composition config() {
        return assembly.config();
    }
}
