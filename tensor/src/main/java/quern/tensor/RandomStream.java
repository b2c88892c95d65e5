package quern.tensor;

import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * A stream of random numbers for tensor operators. It is a pure function of its seed: two streams of one seed give the
 * same numbers whatever else runs, which is how a recomputed segment repeats its dropout masks. Lives in the scope it
 * was made in.
 */
public final class RandomStream {
    private final GeneratorOptional generator;

    /** A stream that starts at {@code seed}. */
    public RandomStream(long seed) {
        Native.load();
        Generator g = torch.createCPUGenerator(seed);
        generator = new GeneratorOptional(g);
    }

    GeneratorOptional raw() {
        return generator;
    }
}
