package quern.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.RecordFunction;
import org.bytedeco.pytorch.global.torch;
import quern.tensor.kernel.PartClock;
import quern.tensor.kernel.PartClock.Part;

/**
 * Lets the clock of parts know libtorch's operators by their names where a block is computed by them: the autograd engine
 * runs a block's whole backward in one call, and only its operators say what it is at. Every operator costs about a
 * microsecond more while this is open.
 */
public final class OperatorParts implements AutoCloseable {
    private static final Map<Part, Pattern> NAMES = Map.of(
            Part.GEMM, Pattern.compile("aten::(linear|mm|addmm)"),
            Part.ATTENTION,
                    Pattern.compile("aten::(bmm|baddbmm|_?softmax|_softmax_backward_data|_?scaled_dot_product.*)"),
            Part.NORM, Pattern.compile("aten::(native_layer_norm.*|layer_norm|rms_norm|_fused_rms_norm.*)"),
            Part.ACTIVATION, Pattern.compile("aten::(gelu|silu|relu|threshold)(_backward)?"));

    /** {@code at::RecordFunctionCallback}: two functions, a probability, which kinds of events, three switches. */
    private static final long CALLBACK_BYTES = 40;

    private static final long PROBABILITY_AT = 16;
    private static final long SCOPES_AT = 24;

    private static final ThreadLocal<Deque<Integer>> BEFORE = ThreadLocal.withInitial(ArrayDeque::new);
    private static final ThreadLocal<Operator> OPERATOR = ThreadLocal.withInitial(Operator::new);
    private static final int UNCHANGED = -1;
    private static MemorySegment callback;

    private final long handle;

    private OperatorParts(long handle) {
        this.handle = handle;
    }

    /** An address as the bindings want it. */
    private static final class At extends Pointer {
        At(MemorySegment memory) {
            address = memory.address();
        }
    }

    /** A view of an event of libtorch's; the bindings have no constructor for that, so one object is led from event to event. */
    private static final class Operator extends RecordFunction {
        Operator at(MemorySegment event) {
            address = event.address();
            return this;
        }
    }

    /** Listens to the operators of all threads until closed. */
    public static synchronized OperatorParts listen() {
        Native.load();
        if (callback == null) {
            callback = callback();
        }
        return new OperatorParts(torch.addGlobalCallback(new At(callback)));
    }

    private static MemorySegment callback() {
        try {
            MethodHandles.Lookup here = MethodHandles.lookup();
            Arena arena = Arena.global();
            Linker linker = Linker.nativeLinker();
            // The start function returns a std::unique_ptr: the caller passes where to, and gets that back.
            MemorySegment start = linker.upcallStub(
                    here.findStatic(
                            OperatorParts.class,
                            "starts",
                            MethodType.methodType(MemorySegment.class, MemorySegment.class, MemorySegment.class)),
                    FunctionDescriptor.of(
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS.withTargetLayout(ValueLayout.JAVA_LONG),
                            ValueLayout.ADDRESS),
                    arena);
            MemorySegment end = linker.upcallStub(
                    here.findStatic(
                            OperatorParts.class,
                            "ends",
                            MethodType.methodType(void.class, MemorySegment.class, MemorySegment.class)),
                    FunctionDescriptor.ofVoid(ValueLayout.ADDRESS, ValueLayout.ADDRESS),
                    arena);
            MemorySegment made = arena.allocate(CALLBACK_BYTES, Long.BYTES);
            made.set(ValueLayout.ADDRESS, 0, start);
            made.set(ValueLayout.ADDRESS, Long.BYTES, end);
            made.set(ValueLayout.JAVA_DOUBLE, PROBABILITY_AT, 1);
            made.set(ValueLayout.JAVA_BYTE, SCOPES_AT, (byte) 1); // operators, and no other kind
            return made;
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static MemorySegment starts(MemorySegment result, MemorySegment function) {
        result.set(ValueLayout.JAVA_LONG, 0, 0);
        int before = UNCHANGED;
        if (PartClock.current() == Part.BLOCK) {
            Part part = of(OPERATOR.get().at(function).name().getString());
            if (part != Part.BLOCK) {
                before = PartClock.enter(part).ordinal();
            }
        }
        BEFORE.get().push(before);
        return result;
    }

    private static void ends(MemorySegment function, MemorySegment context) {
        int before = BEFORE.get().pop();
        if (before != UNCHANGED) {
            PartClock.leave(Part.values()[before]);
        }
    }

    private static Part of(String operator) {
        for (Map.Entry<Part, Pattern> names : NAMES.entrySet()) {
            if (names.getValue().matcher(operator).matches()) {
                return names.getKey();
            }
        }
        return Part.BLOCK;
    }

    @Override
    public void close() {
        torch.removeCallback(handle);
    }
}
