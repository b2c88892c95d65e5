package quern.cli.internal;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** The few calls of the C library about file descriptors and terminals that Java has no form of. */
public final class Posix {
    /** File descriptor of standard input. */
    public static final int STDIN = 0;

    /** File descriptor of standard output. */
    public static final int STDOUT = 1;

    /** File descriptor of standard error. */
    public static final int STDERR = 2;

    private static final long TIOCGWINSZ = 0x5413;

    private Posix() {}

    /** Makes descriptor {@code to} the same open file as {@code from}, and closes {@code from}; false if it cannot. */
    public static boolean move(int from, int to) {
        FunctionDescriptor two =
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        try {
            if ((int) function("dup2", two).invokeExact(from, to) < 0) {
                return false;
            }
            FunctionDescriptor one = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
            return (int) function("close", one).invokeExact(from) == 0;
        } catch (Throwable e) {
            throw new IllegalStateException("dup2 or close cannot be called", e);
        }
    }

    /** True if the descriptor is a terminal. */
    public static boolean isTerminal(int descriptor) {
        FunctionDescriptor one = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        try {
            return (int) function("isatty", one).invokeExact(descriptor) == 1;
        } catch (Throwable e) {
            throw new IllegalStateException("isatty cannot be called", e);
        }
    }

    /** Columns of the terminal at the descriptor, or 0 where that is not known. */
    public static int columns(int descriptor) {
        FunctionDescriptor ioctl = FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS);
        try (Arena arena = Arena.ofConfined()) {
            // struct winsize: rows, columns, and two that terminals leave at zero; each an unsigned short.
            MemorySegment size = arena.allocate(ValueLayout.JAVA_SHORT, 4);
            int result = (int) function("ioctl", ioctl, Linker.Option.firstVariadicArg(2))
                    .invokeExact(descriptor, TIOCGWINSZ, size);
            return result == 0 ? Short.toUnsignedInt(size.getAtIndex(ValueLayout.JAVA_SHORT, 1)) : 0;
        } catch (Throwable e) {
            throw new IllegalStateException("ioctl cannot be called", e);
        }
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor, options);
    }
}
