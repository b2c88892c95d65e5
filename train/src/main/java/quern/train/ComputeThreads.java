package quern.train;

import quern.tensor.Native;
import quern.tensor.kernel.KernelThreads;

/** The CPU threads of a whole computation: those of libtorch's operators and those of the kernels. */
public final class ComputeThreads {
    private ComputeThreads() {}

    /** How many threads a setting asks for: its own number, or one a processor where it is 0. */
    public static int count(int setting) {
        return setting > 0 ? setting : Runtime.getRuntime().availableProcessors();
    }

    /** Has everything compute on as many threads as a setting asks for; 0 is one a processor. */
    public static void use(int setting) {
        int threads = count(setting);
        Native.setThreads(threads);
        KernelThreads.setCount(threads);
    }
}
