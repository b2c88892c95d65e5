package quern.tensor;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.StringSupplier;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import quern.recipe.QuernException;

/**
 * The door to libtorch: loads it once with one clear error when it is missing, sets thread counts, counts live handles,
 * and turns the binding's exceptions into Quern's. Nothing outside this room names a class of the binding.
 */
public final class Native {
    // libtorch keeps no reference to Java callbacks, so they must stay reachable from here. An empty trace makes a
    // C++ exception cost 0.03 ms instead of 6.5 ms.
    private static final BytePointer EMPTY_TRACE;
    private static final StringSupplier NO_TRACE;
    private static final Map<DType, torch.ScalarType> TYPES = new EnumMap<>(DType.class);
    private static final Map<String, TensorOptions> OPTIONS = new ConcurrentHashMap<>();
    private static final QuernException MISSING;

    static {
        BytePointer empty = null;
        StringSupplier supplier = null;
        QuernException missing = null;
        try {
            org.bytedeco.javacpp.Loader.load(org.bytedeco.openblas.global.openblas.class);
            org.bytedeco.javacpp.Loader.load(torch.class);
            empty = new BytePointer("");
            empty.retainReference();
            BytePointer kept = empty;
            supplier = new StringSupplier() {
                @Override
                public BytePointer call() {
                    return kept;
                }
            };
            supplier.retainReference();
            torch.SetStackTraceFetcher(supplier);
            TYPES.put(DType.FP32, torch.ScalarType.Float);
            TYPES.put(DType.BF16, torch.ScalarType.BFloat16);
            TYPES.put(DType.FP16, torch.ScalarType.Half);
            TYPES.put(DType.FP64, torch.ScalarType.Double);
            TYPES.put(DType.INT64, torch.ScalarType.Long);
            TYPES.put(DType.INT32, torch.ScalarType.Int);
            TYPES.put(DType.INT16, torch.ScalarType.Short);
            TYPES.put(DType.INT8, torch.ScalarType.Char);
            TYPES.put(DType.UINT8, torch.ScalarType.Byte);
            TYPES.put(DType.BOOL, torch.ScalarType.Bool);
        } catch (LinkageError e) {
            Throwable root = e;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            missing = new QuernException(
                    quern.recipe.ExitCode.FAILED,
                    "libtorch could not be loaded on %s %s: %s; Quern needs Linux on x86-64, glibc 2.28 or newer and about 500 MB free under the JavaCPP cache (set -Dorg.bytedeco.javacpp.cachedir to move it)"
                            .formatted(
                                    System.getProperty("os.name"),
                                    System.getProperty("os.arch"),
                                    String.valueOf(root.getMessage())
                                            .lines()
                                            .findFirst()
                                            .orElse("no reason given")),
                    e);
        }
        EMPTY_TRACE = empty;
        NO_TRACE = supplier;
        MISSING = missing;
    }

    private Native() {}

    /** Loads libtorch, or throws the one error that says why it cannot be loaded. */
    public static void load() {
        if (MISSING != null) {
            throw MISSING;
        }
        if (EMPTY_TRACE.isNull() || NO_TRACE.isNull()) {
            throw new IllegalStateException("libtorch's callbacks were released");
        }
    }

    /**
     * Sets the number of threads of libtorch's operators and of OpenBLAS. {@code OMP_NUM_THREADS} is read from the
     * environment before libtorch loads, so a launcher should set it to the same number.
     */
    public static void setThreads(int threads) {
        load();
        torch.set_num_threads(threads);
        org.bytedeco.openblas.global.openblas.blas_set_num_threads(threads);
    }

    /** The number of threads that libtorch's operators use on this thread. */
    public static int threads() {
        load();
        return torch.get_num_threads();
    }

    /** Whether a CUDA device can be used. */
    public static boolean cudaIsAvailable() {
        load();
        return torch.cuda_is_available();
    }

    /** Handles of native objects that are alive: flat from step to step means that nothing leaks. */
    public static long liveHandles() {
        load();
        return Pointer.totalCount();
    }

    /** Gives freed native memory back to the operating system. */
    public static void trimMemory() {
        load();
        Pointer.trimMemory();
    }

    static torch.ScalarType type(DType dtype) {
        load();
        return TYPES.get(dtype);
    }

    static DType dtype(torch.ScalarType type) {
        // A returned enum is another object than the constant; intern() gives the constant.
        torch.ScalarType constant = type.intern();
        for (var e : TYPES.entrySet()) {
            if (e.getValue() == constant) {
                return e.getKey();
            }
        }
        throw QuernException.failed("a tensor has libtorch dtype %s, which Quern does not compute with", constant);
    }

    static TensorOptions options(DType dtype, Device device) {
        load();
        return OPTIONS.computeIfAbsent(dtype + "@" + device, k -> {
            TensorOptions options = new TensorOptions(TYPES.get(dtype));
            if (device.isCuda()) {
                options = options.device(new DeviceOptional(new org.bytedeco.pytorch.Device(device.toString())));
            }
            // Outlives whatever scope is open now.
            options.retainReference();
            return options;
        });
    }

    /** Runs one operator; a C++ exception becomes one line that names the operator and its operands' shapes. */
    static <R> R call(String operator, Supplier<R> body, Tensor... operands) {
        try {
            return body.get();
        } catch (QuernException e) {
            throw e;
        } catch (RuntimeException e) {
            StringBuilder s = new StringBuilder(operator).append('(');
            for (int i = 0; i < operands.length; i++) {
                s.append(i == 0 ? "" : ", ");
                try {
                    s.append(operands[i].dtype()).append(Arrays.toString(operands[i].shape()));
                } catch (RuntimeException closed) {
                    s.append("a closed tensor");
                }
            }
            String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("no reason given");
            throw new TensorException(s.append("): ").append(reason).toString(), e);
        }
    }
}
