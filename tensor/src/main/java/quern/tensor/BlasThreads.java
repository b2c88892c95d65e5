package quern.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;

/**
 * The number of threads of OpenBLAS, set by its own functions in both of its libraries: products run in the one without
 * LAPACK, which the one with it calls. The wrapper's function looks for every known BLAS library each time, which takes
 * milliseconds; it serves where no library is found under a name known here.
 */
@SuppressWarnings("restricted")
final class BlasThreads {
    private static final List<String> NAMES = List.of("libopenblas", "libopenblas_nolapack");
    private static final List<String> ENDINGS = List.of(".so.0", ".0.dylib", ".dll");
    private static final List<Path> LIBRARIES = find();
    private static final List<MethodHandle> SETTERS =
            functions("openblas_set_num_threads", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
    private static final List<MethodHandle> GETTERS =
            functions("openblas_get_num_threads", FunctionDescriptor.of(ValueLayout.JAVA_INT));

    private BlasThreads() {}

    private static List<Path> find() {
        Path folder = Path.of(Loader.load(openblas.class)).getParent();
        return NAMES.stream()
                .flatMap(name -> ENDINGS.stream().map(ending -> folder.resolve(name + ending)))
                .filter(Files::exists)
                .toList();
    }

    private static List<MethodHandle> functions(String name, FunctionDescriptor type) {
        return LIBRARIES.stream()
                .flatMap(library -> SymbolLookup.libraryLookup(library, Arena.global()).find(name).stream())
                .map(function -> Linker.nativeLinker().downcallHandle(function, type))
                .toList();
    }

    /** The largest of the libraries' numbers. */
    static int get() {
        if (GETTERS.isEmpty()) {
            return openblas.blas_get_num_threads();
        }
        try {
            int most = 0;
            for (MethodHandle getter : GETTERS) {
                most = Math.max(most, (int) getter.invokeExact());
            }
            return most;
        } catch (Throwable e) {
            throw new IllegalStateException("openblas_get_num_threads failed", e);
        }
    }

    /** Sets all of them. */
    static void set(int threads) {
        if (SETTERS.isEmpty()) {
            openblas.blas_set_num_threads(threads);
            return;
        }
        try {
            for (MethodHandle setter : SETTERS) {
                setter.invokeExact(threads);
            }
        } catch (Throwable e) {
            throw new IllegalStateException("openblas_set_num_threads failed", e);
        }
    }
}
