package quern.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * A tensor of libtorch with PyTorch's operator names. A result belongs to the innermost open {@link Scope} of the
 * thread; {@link #keep()} gives a handle that lives until {@link #close()}. Views share storage. Operators that end in
 * {@code _} write in place. A whole number given to an operator keeps an integer tensor's dtype. Not safe for use by two threads at once.
 *
 * <p>Errors are {@link TensorException}s that name the operator and both shapes.
 */
public final class Tensor implements AutoCloseable {
    private static final AtomicLong KEPT = new AtomicLong();

    private final org.bytedeco.pytorch.Tensor t;
    private boolean kept;

    Tensor(org.bytedeco.pytorch.Tensor t) {
        this.t = t;
    }

    org.bytedeco.pytorch.Tensor raw() {
        return t;
    }

    // --- lifetime ---

    /** A handle to the same storage and graph node that outlives every scope and is freed by {@link #close()}. */
    public Tensor keep() {
        Tensor result;
        // A scope of its own lets go of the handle at once; the caller's would hold it beyond close().
        try (Scope scope = Scope.open()) {
            org.bytedeco.pytorch.Tensor h = new org.bytedeco.pytorch.Tensor(t);
            h.retainReference();
            result = new Tensor(h);
        }
        result.kept = true;
        KEPT.incrementAndGet();
        return result;
    }

    /** Frees a kept handle; harmless on a tensor that belongs to a scope, and when called twice. */
    @Override
    public void close() {
        if (kept) {
            kept = false;
            KEPT.decrementAndGet();
            t.close();
        }
    }

    /** The number of kept handles that are not closed, in the whole process. */
    public static long keptHandles() {
        return KEPT.get();
    }

    /** False for the gradient of a tensor that has none. */
    public boolean isDefined() {
        return t.defined();
    }

    // --- creation ---

    /** Uninitialised memory. */
    public static Tensor empty(DType dtype, Device device, long... shape) {
        return new Tensor(torch.empty(shape, Native.options(dtype, device), null));
    }

    /** Zeros. */
    public static Tensor zeros(DType dtype, Device device, long... shape) {
        return new Tensor(torch.zeros(shape, Native.options(dtype, device)));
    }

    /** Zeros on the CPU. */
    public static Tensor zeros(DType dtype, long... shape) {
        return zeros(dtype, Device.CPU, shape);
    }

    /** Every element {@code value}. */
    public static Tensor full(double value, DType dtype, Device device, long... shape) {
        return new Tensor(torch.full(shape, new Scalar(value), Native.options(dtype, device)));
    }

    /** 0, 1 … {@code end - 1}. */
    public static Tensor arange(long end, DType dtype, Device device) {
        return new Tensor(torch.arange(new Scalar(0L), new Scalar(end), new Scalar(1L), Native.options(dtype, device)));
    }

    /** fp32 on the CPU, row-major. */
    public static Tensor of(float[] values, long... shape) {
        Tensor x = empty(DType.FP32, Device.CPU, shape);
        x.checkCount(values.length);
        MemorySegment.copy(values, 0, x.memory(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return x;
    }

    /** int64 on the CPU, row-major. */
    public static Tensor of(long[] values, long... shape) {
        Tensor x = empty(DType.INT64, Device.CPU, shape);
        x.checkCount(values.length);
        MemorySegment.copy(values, 0, x.memory(), ValueLayout.JAVA_LONG, 0, values.length);
        return x;
    }

    /** int32 on the CPU, row-major. */
    public static Tensor of(int[] values, long... shape) {
        Tensor x = empty(DType.INT32, Device.CPU, shape);
        x.checkCount(values.length);
        MemorySegment.copy(values, 0, x.memory(), ValueLayout.JAVA_INT, 0, values.length);
        return x;
    }

    /** A copy of {@code bytes}, which hold the elements row-major and little-endian. */
    public static Tensor copyOf(MemorySegment bytes, DType dtype, long... shape) {
        Tensor x = empty(dtype, Device.CPU, shape);
        if (x.t.nbytes() != bytes.byteSize()) {
            throw new IllegalArgumentException(
                    "%d bytes for %s%s".formatted(bytes.byteSize(), dtype, Arrays.toString(shape)));
        }
        x.memory().copyFrom(bytes);
        return x;
    }

    /** Normal numbers of mean 0 and deviation 1, fp32 on the CPU. */
    public static Tensor randn(RandomStream random, long... shape) {
        return empty(DType.FP32, Device.CPU, shape).normal_(0, 1, random);
    }

    /** As a number in Python: a whole one leaves an integer tensor's dtype alone, any other turns it into fp32. */
    private Scalar scalar(double value) {
        boolean whole = value == Math.rint(value) && Math.abs(value) < 0x1p63;
        return whole && !t.is_floating_point() ? new Scalar((long) value) : new Scalar(value);
    }

    private Tensor inPlace(String operator, Runnable body) {
        return Native.call(
                operator,
                () -> {
                    body.run();
                    return this;
                },
                this);
    }

    private void checkCount(long count) {
        if (numel() != count) {
            throw new IllegalArgumentException(count + " values for shape " + Arrays.toString(shape()));
        }
    }

    // --- what it is ---

    /** The size of each dimension. */
    public long[] shape() {
        return t.shape();
    }

    /** The size of one dimension; negative counts from the end. */
    public long size(int dim) {
        return t.size(dim);
    }

    /** The number of dimensions. */
    public int dim() {
        return (int) t.dim();
    }

    /** The number of elements. */
    public long numel() {
        return t.numel();
    }

    /** Elements between neighbours along {@code dim}. */
    public long stride(int dim) {
        return t.stride(dim);
    }

    /** Whether elements lie row-major without gaps. */
    public boolean isContiguous() {
        return t.is_contiguous();
    }

    /** Whether no other tensor sees the same memory; a handle of this very tensor is not another. */
    public boolean ownsStorage() {
        return t.storage().use_count() == 1;
    }

    /** The element type. */
    public DType dtype() {
        return Native.dtype(t.scalar_type());
    }

    /** Where the storage lives. */
    public Device device() {
        return t.is_cuda() ? Device.cuda(t.device().index()) : Device.CPU;
    }

    /**
     * The elements' memory, without copying, for a contiguous tensor on the CPU. Valid as long as some handle to the
     * storage is open. Writes are not seen by autograd.
     */
    public MemorySegment memory() {
        if (!t.is_contiguous() || t.is_cuda()) {
            throw new IllegalStateException("memory() needs a contiguous tensor on the CPU");
        }
        if (t.numel() == 0) {
            return MemorySegment.NULL;
        }
        return MemorySegment.ofAddress(t.data_ptr().address()).reinterpret(t.nbytes());
    }

    /** The value of a tensor of one element. */
    public double item() {
        return Native.call("item", t::item_double, this);
    }

    /** All elements as fp32, row-major. */
    public float[] toFloats() {
        try (Scope scope = Scope.open()) {
            Tensor x = detach().to(DType.FP32).to(Device.CPU).contiguous();
            float[] result = new float[Math.toIntExact(x.numel())];
            if (result.length > 0) {
                MemorySegment.copy(x.memory(), ValueLayout.JAVA_FLOAT, 0, result, 0, result.length);
            }
            return result;
        }
    }

    /** All elements as int64, row-major. */
    public long[] toLongs() {
        try (Scope scope = Scope.open()) {
            Tensor x = detach().to(DType.INT64).to(Device.CPU).contiguous();
            long[] result = new long[Math.toIntExact(x.numel())];
            if (result.length > 0) {
                MemorySegment.copy(x.memory(), ValueLayout.JAVA_LONG, 0, result, 0, result.length);
            }
            return result;
        }
    }

    /** Whether two tensors have the same shape, dtype and elements; NaN differs from itself. */
    public boolean equal(Tensor other) {
        return Arrays.equals(shape(), other.shape()) && dtype() == other.dtype() && t.equal(other.t);
    }

    // --- conversion ---

    /** The same values in another dtype; this tensor's storage when it has that dtype already. */
    public Tensor to(DType dtype) {
        return dtype() == dtype ? this : new Tensor(t.to(Native.type(dtype)));
    }

    /** The same values on another device; this tensor's storage when it is there already. */
    public Tensor to(Device device) {
        if (device.equals(device())) {
            return this;
        }
        return new Tensor(t.to(
                null,
                null,
                new DeviceOptional(new org.bytedeco.pytorch.Device(device.toString())),
                null,
                false,
                false,
                null));
    }

    /** A row-major tensor of the same values; this tensor when it is row-major already. */
    public Tensor contiguous() {
        return t.is_contiguous() ? this : new Tensor(t.contiguous());
    }

    /** A copy with storage of its own. */
    public Tensor copy() {
        return new Tensor(t.clone((org.bytedeco.pytorch.MemoryFormatOptional) null));
    }

    /** The same storage outside the graph. */
    public Tensor detach() {
        return new Tensor(t.detach());
    }

    /** Whether another tensor, such as a view, has the same storage. */
    public boolean isShared() {
        try (Scope scope = Scope.open()) {
            return t.storage().use_count() > 1;
        }
    }

    /** The bits as another dtype; of another width, the last dimension is as much longer or shorter. */
    public Tensor viewAs(DType dtype) {
        return Native.call("view", () -> new Tensor(t.view(Native.type(dtype))), this);
    }

    // --- autograd ---

    /** Whether operators on this tensor are recorded. */
    public boolean requiresGrad() {
        return t.requires_grad();
    }

    /** Makes this leaf collect gradients, or stop. */
    public Tensor requiresGrad_(boolean requires) {
        return inPlace("requires_grad_", () -> t.requires_grad_(requires));
    }

    /** A handle to the gradient collected on this leaf; undefined when there is none. */
    public Tensor grad() {
        return new Tensor(new org.bytedeco.pytorch.Tensor(t.grad()));
    }

    /** Replaces the leaf's gradient; {@code null} drops it. */
    public void setGrad(Tensor grad) {
        if (grad == null) {
            t.mutable_grad().reset();
        } else {
            t.mutable_grad().put(grad.t);
        }
    }

    /** Swaps the leaf's storage for another tensor's, keeping its identity in the graph. */
    public void setData(Tensor other) {
        t.set_data(other.t);
    }

    // --- shape ---

    /** The same storage in another shape; one size may be -1. */
    public Tensor view(long... shape) {
        return Native.call("view" + Arrays.toString(shape), () -> new Tensor(t.view(shape)), this);
    }

    /** Another shape, copying only where a view is impossible. */
    public Tensor reshape(long... shape) {
        return Native.call("reshape" + Arrays.toString(shape), () -> new Tensor(t.reshape(shape)), this);
    }

    /** Two dimensions exchanged. */
    public Tensor transpose(int a, int b) {
        return Native.call("transpose", () -> new Tensor(t.transpose(a, b)), this);
    }

    /** The dimensions in another order. */
    public Tensor permute(long... order) {
        return Native.call("permute", () -> new Tensor(t.permute(order)), this);
    }

    /** A matrix transposed. */
    public Tensor t() {
        return Native.call("t", () -> new Tensor(t.t()), this);
    }

    /** {@code length} entries of {@code dim} from {@code start}, as a view. */
    public Tensor narrow(int dim, long start, long length) {
        return Native.call(
                "narrow(%d,%d,%d)".formatted(dim, start, length), () -> new Tensor(t.narrow(dim, start, length)), this);
    }

    /** Entry {@code index} of {@code dim}, as a view with one dimension less. */
    public Tensor select(int dim, long index) {
        return Native.call("select(%d,%d)".formatted(dim, index), () -> new Tensor(t.select(dim, index)), this);
    }

    /** A new dimension of size 1. */
    public Tensor unsqueeze(int dim) {
        return Native.call("unsqueeze", () -> new Tensor(t.unsqueeze(dim)), this);
    }

    /** Drops a dimension of size 1. */
    public Tensor squeeze(int dim) {
        return Native.call("squeeze", () -> new Tensor(t.squeeze(dim)), this);
    }

    /** Repeats dimensions of size 1 without copying. */
    public Tensor expand(long... shape) {
        return Native.call("expand" + Arrays.toString(shape), () -> new Tensor(t.expand(shape)), this);
    }

    /** Repeats the whole tensor along each dimension, copying. */
    public Tensor repeat(long... times) {
        return Native.call("repeat", () -> new Tensor(t.repeat(times)), this);
    }

    /** Pieces of {@code size} along {@code dim}, as views. */
    public List<Tensor> split(long size, int dim) {
        return Native.call("split", () -> list(t.split(size, dim)), this);
    }

    /** Pieces of the given sizes along {@code dim}, as views. */
    public List<Tensor> split(long[] sizes, int dim) {
        return Native.call("split" + Arrays.toString(sizes), () -> list(t.split(sizes, dim)), this);
    }

    private static List<Tensor> list(TensorVector vector) {
        List<Tensor> result = new ArrayList<>();
        for (long i = 0; i < vector.size(); i++) {
            result.add(new Tensor(new org.bytedeco.pytorch.Tensor(vector.get(i))));
        }
        return result;
    }

    /** Joins tensors along an existing dimension. */
    public static Tensor cat(List<Tensor> tensors, int dim) {
        return Native.call(
                "cat", () -> new Tensor(torch.cat(Autograd.vector(tensors), dim)), tensors.toArray(Tensor[]::new));
    }

    /** Joins tensors along a new dimension. */
    public static Tensor stack(List<Tensor> tensors, int dim) {
        return Native.call(
                "stack", () -> new Tensor(torch.stack(Autograd.vector(tensors), dim)), tensors.toArray(Tensor[]::new));
    }

    /** Reverses the order along dimensions. */
    public Tensor flip(long... dims) {
        return Native.call("flip", () -> new Tensor(t.flip(dims)), this);
    }

    /** The lower triangle up to {@code diagonal}; the rest zero. */
    public Tensor tril(long diagonal) {
        return Native.call("tril", () -> new Tensor(t.tril(diagonal)), this);
    }

    /** The upper triangle from {@code diagonal}; the rest zero. */
    public Tensor triu(long diagonal) {
        return Native.call("triu", () -> new Tensor(t.triu(diagonal)), this);
    }

    // --- arithmetic ---

    /** -x, element by element. */
    public Tensor neg() {
        return Native.call("neg", () -> new Tensor(t.neg()), this);
    }

    /** e^x, element by element. */
    public Tensor exp() {
        return Native.call("exp", () -> new Tensor(t.exp()), this);
    }

    /** e^x, element by element, in place. */
    public Tensor exp_() {
        return inPlace("exp_", () -> t.exp_());
    }

    /** tanh x, element by element, in place. */
    public Tensor tanh_() {
        return inPlace("tanh_", () -> t.tanh_());
    }

    /** ln x, element by element. */
    public Tensor log() {
        return Native.call("log", () -> new Tensor(t.log()), this);
    }

    /** √x, element by element. */
    public Tensor sqrt() {
        return Native.call("sqrt", () -> new Tensor(t.sqrt()), this);
    }

    /** 1/√x, element by element. */
    public Tensor rsqrt() {
        return Native.call("rsqrt", () -> new Tensor(t.rsqrt()), this);
    }

    /** x², element by element. */
    public Tensor square() {
        return Native.call("square", () -> new Tensor(t.square()), this);
    }

    /** |x|, element by element. */
    public Tensor abs() {
        return Native.call("abs", () -> new Tensor(t.abs()), this);
    }

    /** -1, 0 or 1, element by element; 0 for NaN. */
    public Tensor sign() {
        return Native.call("sign", () -> new Tensor(t.sign()), this);
    }

    /** sin x, element by element. */
    public Tensor sin() {
        return Native.call("sin", () -> new Tensor(t.sin()), this);
    }

    /** cos x, element by element. */
    public Tensor cos() {
        return Native.call("cos", () -> new Tensor(t.cos()), this);
    }

    /** tanh x, element by element. */
    public Tensor tanh() {
        return Native.call("tanh", () -> new Tensor(t.tanh()), this);
    }

    /** 1/(1+e⁻ˣ), element by element. */
    public Tensor sigmoid() {
        return Native.call("sigmoid", () -> new Tensor(t.sigmoid()), this);
    }

    /** max(x, 0), element by element. */
    public Tensor relu() {
        return Native.call("relu", () -> new Tensor(t.relu()), this);
    }

    /** Whether each element is finite. */
    public Tensor isFinite() {
        return Native.call("isfinite", () -> new Tensor(t.isfinite()), this);
    }

    /** Logical not. */
    public Tensor logicalNot() {
        return Native.call("logical_not", () -> new Tensor(t.logical_not()), this);
    }

    /** Sum with broadcasting. */
    public Tensor add(Tensor other) {
        return Native.call("add", () -> new Tensor(t.add(other.t)), this, other);
    }

    /** Sum with a number. */
    public Tensor add(double other) {
        return Native.call("add", () -> new Tensor(t.add(scalar(other))), this);
    }

    /** Sum in place, with broadcasting of {@code other}. */
    public Tensor add_(Tensor other) {
        return Native.call(
                "add_",
                () -> {
                    t.add_(other.t);
                    return this;
                },
                this,
                other);
    }

    /** Sum with a number, in place. */
    public Tensor add_(double other) {
        return inPlace("add_", () -> t.add_(scalar(other)));
    }

    /** Difference with broadcasting. */
    public Tensor sub(Tensor other) {
        return Native.call("sub", () -> new Tensor(t.sub(other.t)), this, other);
    }

    /** Difference with a number. */
    public Tensor sub(double other) {
        return Native.call("sub", () -> new Tensor(t.sub(scalar(other))), this);
    }

    /** Difference in place, with broadcasting of {@code other}. */
    public Tensor sub_(Tensor other) {
        return Native.call(
                "sub_",
                () -> {
                    t.sub_(other.t);
                    return this;
                },
                this,
                other);
    }

    /** Difference with a number, in place. */
    public Tensor sub_(double other) {
        return inPlace("sub_", () -> t.sub_(scalar(other)));
    }

    /** Product with broadcasting. */
    public Tensor mul(Tensor other) {
        return Native.call("mul", () -> new Tensor(t.mul(other.t)), this, other);
    }

    /** Product with a number. */
    public Tensor mul(double other) {
        return Native.call("mul", () -> new Tensor(t.mul(scalar(other))), this);
    }

    /** Product in place, with broadcasting of {@code other}. */
    public Tensor mul_(Tensor other) {
        return Native.call(
                "mul_",
                () -> {
                    t.mul_(other.t);
                    return this;
                },
                this,
                other);
    }

    /** Product with a number, in place. */
    public Tensor mul_(double other) {
        return inPlace("mul_", () -> t.mul_(scalar(other)));
    }

    /** Quotient with broadcasting. */
    public Tensor div(Tensor other) {
        return Native.call("div", () -> new Tensor(t.div(other.t)), this, other);
    }

    /** Quotient with a number. */
    public Tensor div(double other) {
        return Native.call("div", () -> new Tensor(t.div(new Scalar(other))), this);
    }

    /** Quotient in place, with broadcasting of {@code other}. */
    public Tensor div_(Tensor other) {
        return Native.call(
                "div_",
                () -> {
                    t.div_(other.t);
                    return this;
                },
                this,
                other);
    }

    /** Quotient with a number, in place. */
    public Tensor div_(double other) {
        return inPlace("div_", () -> t.div_(new Scalar(other)));
    }

    /** Whether each element is equal, as bool. */
    public Tensor eq(double other) {
        return Native.call("eq", () -> new Tensor(t.eq(scalar(other))), this);
    }

    /** Whether each element is different, as bool. */
    public Tensor ne(double other) {
        return Native.call("ne", () -> new Tensor(t.ne(scalar(other))), this);
    }

    /** Whether each element is less, as bool. */
    public Tensor lt(double other) {
        return Native.call("lt", () -> new Tensor(t.lt(scalar(other))), this);
    }

    /** Whether each element is less or equal, as bool. */
    public Tensor le(double other) {
        return Native.call("le", () -> new Tensor(t.le(scalar(other))), this);
    }

    /** Whether each element is greater, as bool. */
    public Tensor gt(double other) {
        return Native.call("gt", () -> new Tensor(t.gt(scalar(other))), this);
    }

    /** Whether each element is greater or equal, as bool. */
    public Tensor ge(double other) {
        return Native.call("ge", () -> new Tensor(t.ge(scalar(other))), this);
    }
    /** {@code this + alpha · other}, in place. */
    public Tensor add_(Tensor other, double alpha) {
        return Native.call(
                "add_",
                () -> {
                    t.add_(other.t, scalar(alpha));
                    return this;
                },
                this,
                other);
    }

    /** Elements to a power. */
    public Tensor pow(double exponent) {
        return Native.call("pow", () -> new Tensor(t.pow(scalar(exponent))), this);
    }

    /** Elements no smaller than {@code min}. */
    public Tensor clampMin(double min) {
        return Native.call("clamp_min", () -> new Tensor(t.clamp_min(scalar(min))), this);
    }

    /** Elements no larger than {@code max}. */
    public Tensor clampMax(double max) {
        return Native.call("clamp_max", () -> new Tensor(t.clamp_max(scalar(max))), this);
    }

    /** Elements outside [min, max] become the nearer end, in place; NaN stays. */
    public Tensor clamp_(double min, double max) {
        return inPlace("clamp_", () -> t.clamp_(new ScalarOptional(scalar(min)), new ScalarOptional(scalar(max))));
    }

    /** The larger of two, element by element. */
    public Tensor maximum(Tensor other) {
        return Native.call("maximum", () -> new Tensor(t.maximum(other.t)), this, other);
    }

    /** Whether both are true. */
    public Tensor logicalAnd(Tensor other) {
        return Native.call("logical_and", () -> new Tensor(t.logical_and(other.t)), this, other);
    }

    /** Matrix product with broadcasting of leading dimensions. */
    public Tensor matmul(Tensor other) {
        return Native.call("matmul", () -> new Tensor(t.matmul(other.t)), this, other);
    }

    /** Batched matrix product [N,M,K]·[N,K,P]. */
    public Tensor bmm(Tensor other) {
        return Native.call("bmm", () -> new Tensor(t.bmm(other.t)), this, other);
    }

    /** {@code beta · this + alpha · a·b} in batches; {@code this} broadcasts. */
    public Tensor baddbmm(Tensor a, Tensor b, double beta, double alpha) {
        return Native.call(
                "baddbmm", () -> new Tensor(t.baddbmm(a.t, b.t, new Scalar(beta), new Scalar(alpha))), this, a, b);
    }

    /** {@code this = beta · this + alpha · a·b} in batches, in place; with beta 0 what was here is not read. */
    public Tensor baddbmm_(Tensor a, Tensor b, double beta, double alpha) {
        return Native.call(
                "baddbmm_",
                () -> {
                    t.baddbmm_(a.t, b.t, new Scalar(beta), new Scalar(alpha));
                    return this;
                },
                this,
                a,
                b);
    }

    /** Writes the matrix product {@code a·b} here; dtype and shape must already fit. */
    public Tensor mmOut_(Tensor a, Tensor b) {
        return Native.call(
                "mm_out",
                () -> {
                    torch.mm_out(t, a.t, b.t);
                    return this;
                },
                this,
                a,
                b);
    }

    /** {@code this += a·b}, in place. */
    public Tensor addmm_(Tensor a, Tensor b) {
        return Native.call(
                "addmm_",
                () -> {
                    t.addmm_(a.t, b.t);
                    return this;
                },
                this,
                a,
                b);
    }

    // --- reduction ---

    /** The sum of all elements. */
    public Tensor sum() {
        return Native.call("sum", () -> new Tensor(t.sum()), this);
    }

    /** Sums over dimensions. */
    public Tensor sum(boolean keepDim, long... dims) {
        return Native.call("sum", () -> new Tensor(t.sum(dims, keepDim, (ScalarTypeOptional) null)), this);
    }

    /** The mean of all elements. */
    public Tensor mean() {
        return Native.call("mean", () -> new Tensor(t.mean()), this);
    }

    /** Means over dimensions. */
    public Tensor mean(boolean keepDim, long... dims) {
        return Native.call("mean", () -> new Tensor(t.mean(dims, keepDim, (ScalarTypeOptional) null)), this);
    }

    /** The largest elements over dimensions. */
    public Tensor amax(boolean keepDim, long... dims) {
        return Native.call("amax", () -> new Tensor(t.amax(dims, keepDim)), this);
    }

    /** The largest element. */
    public Tensor max() {
        return Native.call("max", () -> new Tensor(t.max()), this);
    }

    /** The index of the largest element along {@code dim}, int64. */
    public Tensor argmax(int dim) {
        return Native.call("argmax", () -> new Tensor(t.argmax(new LongOptional(dim), false)), this);
    }

    /** ln Σ eˣ over dimensions. */
    public Tensor logSumExp(boolean keepDim, long... dims) {
        return Native.call("logsumexp", () -> new Tensor(t.logsumexp(dims, keepDim)), this);
    }

    /** Running sums along {@code dim}. */
    public Tensor cumsum(int dim) {
        return Native.call("cumsum", () -> new Tensor(t.cumsum(dim)), this);
    }

    /** The {@code k} largest along {@code dim} in falling order. */
    public Ranked topk(long k, int dim) {
        return Native.call("topk(%d)".formatted(k), () -> ranked(t.topk(k, dim, true, true)), this);
    }

    /** Sorted along {@code dim}. */
    public Ranked sort(int dim, boolean descending) {
        return Native.call("sort", () -> ranked(t.sort(dim, descending)), this);
    }

    private static Ranked ranked(T_TensorTensor_T pair) {
        return new Ranked(
                new Tensor(new org.bytedeco.pytorch.Tensor(pair.get0())),
                new Tensor(new org.bytedeco.pytorch.Tensor(pair.get1())));
    }

    /** Values and where they stood. */
    public record Ranked(Tensor values, Tensor indices) {}

    // --- indexing ---

    /** Entries of {@code dim} by an int index vector. */
    public Tensor indexSelect(int dim, Tensor index) {
        return Native.call("index_select", () -> new Tensor(t.index_select(dim, index.t)), this, index);
    }

    /** For each element, how many of the rising {@code boundaries} lie below it, int64. */
    public Tensor bucketize(Tensor boundaries) {
        return Native.call(
                "bucketize", () -> new Tensor(torch.bucketize(t, boundaries.t, false, false)), this, boundaries);
    }

    /** Adds rows of {@code source} at {@code index} along {@code dim}, in place. */
    public Tensor indexAdd_(int dim, Tensor index, Tensor source) {
        return Native.call(
                "index_add_",
                () -> {
                    t.index_add_(dim, index.t, source.t);
                    return this;
                },
                this,
                index,
                source);
    }

    /** One entry along {@code dim} for every element of {@code index}. */
    public Tensor gather(int dim, Tensor index) {
        return Native.call("gather", () -> new Tensor(t.gather(dim, index.t)), this, index);
    }

    /** Adds {@code source} at {@code index} along {@code dim}, in place. */
    public Tensor scatterAdd_(int dim, Tensor index, Tensor source) {
        return Native.call(
                "scatter_add_",
                () -> {
                    t.scatter_add_(dim, index.t, source.t);
                    return this;
                },
                this,
                index,
                source);
    }

    /** Writes {@code source} at {@code index} along {@code dim}, in place. */
    public Tensor scatter_(int dim, Tensor index, Tensor source) {
        return Native.call(
                "scatter_",
                () -> {
                    t.scatter_(dim, index.t, source.t);
                    return this;
                },
                this,
                index,
                source);
    }

    /** {@code value} where {@code mask} is true. */
    public Tensor maskedFill(Tensor mask, double value) {
        return Native.call("masked_fill", () -> new Tensor(t.masked_fill(mask.t, scalar(value))), this, mask);
    }

    /** {@code value} where {@code mask} is true, in place. */
    public Tensor maskedFill_(Tensor mask, double value) {
        return Native.call(
                "masked_fill_",
                () -> {
                    t.masked_fill_(mask.t, scalar(value));
                    return this;
                },
                this,
                mask);
    }

    /** {@code a} where {@code condition} holds, else {@code b}. */
    public static Tensor where(Tensor condition, Tensor a, Tensor b) {
        return Native.call("where", () -> new Tensor(torch.where(condition.t, a.t, b.t)), condition, a, b);
    }

    // --- writing in place ---

    /** Copies values here, converting the dtype, broadcasting the source. */
    public Tensor copy_(Tensor source) {
        return Native.call(
                "copy_",
                () -> {
                    t.copy_(source.t);
                    return this;
                },
                this,
                source);
    }

    /** Every element zero. */
    public Tensor zero_() {
        return inPlace("zero_", () -> t.zero_());
    }

    /** Every element {@code value}. */
    public Tensor fill_(double value) {
        return inPlace("fill_", () -> t.fill_(scalar(value)));
    }

    /** Normal numbers. */
    public Tensor normal_(double mean, double std, RandomStream random) {
        return inPlace("normal_", () -> t.normal_(mean, std, random.raw()));
    }

    /** Uniform numbers in [from, to). */
    public Tensor uniform_(double from, double to, RandomStream random) {
        return inPlace("uniform_", () -> t.uniform_(from, to, random.raw()));
    }

    /** 1 with probability {@code p}, else 0. */
    public Tensor bernoulli_(double p, RandomStream random) {
        return inPlace("bernoulli_", () -> t.bernoulli_(p, random.raw()));
    }

    /** {@code count} column indices a row, drawn in proportion to the row's weights. */
    public Tensor multinomial(long count, RandomStream random) {
        return Native.call("multinomial", () -> new Tensor(t.multinomial(count, false, random.raw())), this);
    }

    @Override
    public String toString() {
        return isDefined() ? dtype() + Arrays.toString(shape()) : "undefined";
    }
}
