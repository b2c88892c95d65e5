package quern.cli.internal;

import quern.recipe.QuernException;
import quern.tensor.Native;

/**
 * Loads libtorch in a process of its own, so that a native library that ends the process cannot end the one that asks.
 * Prints one line: the threads and whether CUDA is there; or the error.
 */
public final class NativeCheck {
    private NativeCheck() {}

    /** Exit code 0 if libtorch loads. */
    public static void main(String[] args) {
        try {
            Native.load();
            System.out.println("threads " + Native.threads() + ", CUDA " + (Native.cudaIsAvailable() ? "yes" : "no"));
        } catch (QuernException e) {
            System.out.println(e.getMessage());
            System.exit(e.exitCode().code());
        }
    }
}
