package quern.optim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * One trainable parameter and what an {@link Optimizer} remembers of it: the number of steps taken, an fp32 master when
 * the weight has fewer bits (in the parameter's shape and memory order), and the optimizer's {@link StateBuffer}s.
 */
public final class ParameterState {
    private final Parameter parameter;
    private final double learningRateFactor;
    private final double weightDecay;
    private final ParameterRole role;
    private final long[] order;
    private final long[] inverse;
    private final Device device;
    private final long numel;
    private final List<Tensor> buffers = new ArrayList<>();
    // The state never moves, so its addresses are asked for once; null where it is not on the CPU.
    private final List<MemorySegment> bufferMemories = new ArrayList<>();
    private MemorySegment masterMemory;
    private MemorySegment stepMemory;
    private Tensor master;
    private Tensor stepTensor;
    private Tensor gradient;

    ParameterState(Parameter parameter, double learningRateFactor, double weightDecay, ParameterRole role) {
        this.parameter = parameter;
        this.role = role;
        this.learningRateFactor = learningRateFactor;
        this.weightDecay = weightDecay;
        Tensor value = parameter.value();
        DType dtype = value.dtype();
        device = value.device();
        numel = value.numel();
        if (dtype != DType.FP32 && dtype != DType.BF16 && dtype != DType.FP16) {
            throw QuernException.badInput(
                    "parameter '%s' is %s, but an optimizer works on fp32, bf16 and fp16 weights; freeze or convert it",
                    parameter.name(), dtype);
        }
        order = memoryOrder(value);
        inverse = new long[order.length];
        for (int i = 0; i < order.length; i++) {
            inverse[(int) order[i]] = i;
        }
        if (!value.permute(order).isContiguous()) {
            throw new IllegalArgumentException(
                    "parameter '%s' has gaps or repeats in its memory".formatted(parameter.name()));
        }
    }

    /** The dimensions from the slowest to the fastest in memory. */
    private static long[] memoryOrder(Tensor value) {
        int dims = value.dim();
        if (value.isContiguous()) {
            return IntStream.range(0, dims).asLongStream().toArray();
        }
        return IntStream.range(0, dims)
                .boxed()
                .sorted(Comparator.comparingLong((Integer d) -> value.stride(d)).reversed())
                .mapToLong(Integer::longValue)
                .toArray();
    }

    /** Views {@code numel} elements of a flat buffer in the parameter's shape and memory order; a kept handle. */
    Tensor viewOf(Tensor flat, long offset) {
        return inShape(flat.narrow(0, offset, numel())).keep();
    }

    void setMaster(Tensor master) {
        this.master = master;
        master.copy_(parameter.value());
        masterMemory = stateMemory(master);
    }

    /** Adds a buffer in the parameter's shape and memory order. */
    void addBuffer(Tensor buffer) {
        buffers.add(buffer);
        bufferMemories.add(stateMemory(buffer));
    }

    /** Adds a contiguous buffer of its own shape. */
    void addOwnBuffer(Tensor buffer) {
        buffers.add(buffer);
        bufferMemories.add(device.isCuda() ? null : buffer.memory());
    }

    void addNoBuffer() {
        buffers.add(null);
        bufferMemories.add(null);
    }

    private MemorySegment stateMemory(Tensor tensor) {
        return device.isCuda() ? null : memory(tensor);
    }

    void setStepTensor(Tensor stepTensor) {
        this.stepTensor = stepTensor;
        stepMemory = stepTensor.memory();
    }

    Tensor stepTensor() {
        return stepTensor;
    }

    Tensor master() {
        return master;
    }

    void setGradient(Tensor gradient) {
        this.gradient = gradient;
    }

    void close() {
        buffers.stream().filter(Objects::nonNull).forEach(Tensor::close);
        if (master != null) {
            master.close();
        }
        if (stepTensor != null) {
            stepTensor.close();
        }
    }

    /** The parameter. */
    public Parameter parameter() {
        return parameter;
    }

    /** What the scheduled rate is multiplied by for this parameter. */
    public double learningRateFactor() {
        return learningRateFactor;
    }

    /** The weight decay of this parameter. */
    public double weightDecay() {
        return weightDecay;
    }

    /** What the parameter is in its model. */
    public ParameterRole role() {
        return role;
    }

    /** The number of elements. */
    public long numel() {
        return numel;
    }

    /** Where the parameter and its state live. */
    public Device device() {
        return device;
    }

    /** The parameter's dtype now: one of fewer bits than 32 may become another of as many. */
    public DType dtype() {
        return parameter.value().dtype();
    }

    /** The steps taken with this parameter, the current one included: 1 at the first update. */
    public long step() {
        return stepMemory.get(ValueLayout.JAVA_LONG, 0);
    }

    void countStep() {
        stepMemory.set(ValueLayout.JAVA_LONG, 0, step() + 1);
    }

    /** The fp32 weight to update: the master, or the parameter's own value. */
    public Tensor weight() {
        return master != null ? master : parameter.value();
    }

    /** The number of buffers in the optimizer's list. */
    public int buffers() {
        return buffers.size();
    }

    /** Whether this parameter has the buffer with this index in the optimizer's list of buffers. */
    public boolean has(int index) {
        return buffers.get(index) != null;
    }

    /** The buffer with this index in the optimizer's list of buffers; null where {@link #has} is false. */
    public Tensor buffer(int index) {
        return buffers.get(index);
    }

    /** The gradient of this step, in its own dtype and not yet scaled. */
    public Tensor gradient() {
        return gradient;
    }

    /** The gradient in fp32 times {@code scale}. Not to be written to: it may be the gradient itself. */
    public Tensor fp32Gradient(double scale) {
        Tensor g = gradient.to(DType.FP32);
        return scale == 1 ? g : g.mul(scale);
    }

    /** Rounds the master into the weight; nothing to do where the weight itself was updated. */
    public void writeBack() {
        if (master != null) {
            parameter.value().copy_(master);
        }
    }

    /** The memory of the fp32 weight to update, for parameters on the CPU; see {@link #memory}. */
    public MemorySegment weightMemory() {
        return master != null ? masterMemory : memory(parameter.value());
    }

    /**
     * The memory of a buffer, for parameters on the CPU: in the parameter's memory order (see {@link #memory}) where the
     * buffer has its shape, else row by row.
     */
    public MemorySegment bufferMemory(int index) {
        return bufferMemories.get(index);
    }

    /**
     * A tensor of the parameter's shape that holds the numbers of {@code flat}, which are in the parameter's memory order;
     * a view.
     */
    public Tensor inShape(Tensor flat) {
        long[] shape = parameter.value().shape();
        long[] ordered = new long[shape.length];
        for (int i = 0; i < shape.length; i++) {
            ordered[i] = shape[(int) order[i]];
        }
        return flat.view(ordered).permute(inverse);
    }

    /**
     * The elements of {@code tensor}, which has the parameter's shape, in the parameter's memory order; a copy where
     * the tensor lies in another order.
     */
    public MemorySegment memory(Tensor tensor) {
        return tensor.isContiguous() && parameter.value().isContiguous()
                ? tensor.memory()
                : tensor.permute(order).contiguous().memory();
    }
}
