package quern.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;

/**
 * The number of threads of OpenBLAS, set by its own function. The one of JavaCPP's wrapper looks for every known BLAS
 * library each time, which takes milliseconds; it serves where the library is not found under a name known here.
 */
@SuppressWarnings("restricted")
final class BlasThreads {
    private static final List<String> NAMES = List.of("libopenblas.so.0", "libopenblas.0.dylib", "libopenblas.dll");
    private static final Optional<MethodHandle> SET = find();

    private BlasThreads() {}

    private static Optional<MethodHandle> find() {
        Path folder = Path.of(Loader.load(openblas.class)).getParent();
        return NAMES.stream()
                .map(folder::resolve)
                .filter(Files::exists)
                .findFirst()
                .flatMap(BlasThreads::setterIn)
                .map(setter ->
                        Linker.nativeLinker().downcallHandle(setter, FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT)));
    }

    private static Optional<MemorySegment> setterIn(Path library) {
        return SymbolLookup.libraryLookup(library, Arena.global()).find("openblas_set_num_threads");
    }

    /** Sets it. */
    static void set(int threads) {
        if (SET.isEmpty()) {
            openblas.blas_set_num_threads(threads);
            return;
        }
        try {
            SET.get().invokeExact(threads);
        } catch (Throwable e) {
            throw new IllegalStateException("openblas_set_num_threads failed", e);
        }
    }
}
