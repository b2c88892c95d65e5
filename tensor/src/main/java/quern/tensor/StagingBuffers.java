package quern.tensor;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Copies of named tensors on the host, whose memory is kept from one copy to the next: what a checkpoint is written from
 * while training goes on. They take the bytes of what was copied until {@link #close}.
 *
 * <p>One set of copies is in use at a time: {@link #lease} begins it and {@link #release} gives the memory free for the next.
 */
public final class StagingBuffers implements AutoCloseable {
    private final Map<String, Tensor> buffers = new HashMap<>();
    private boolean leased;
    private boolean closed;

    /**
     * Begins a new set of copies, which write over those before.
     *
     * @throws IllegalStateException if the last set is still in use
     */
    public synchronized void lease() {
        if (leased || closed) {
            throw new IllegalStateException(
                    closed ? "the staging buffers are closed" : "the copies made last are still in use");
        }
        leased = true;
    }

    /** Ends the use of the copies made last; from any thread, and harmless when repeated. */
    public synchronized void release() {
        leased = false;
    }

    /**
     * Copies a tensor, from any device and in any layout, to contiguous memory of the host.
     *
     * @param name which buffer to use again, where shape and dtype are those of the last time
     * @param dtype what to convert to
     * @return the buffer, which stays this object's: the caller must not close it
     */
    public synchronized Tensor copy(String name, Tensor value, DType dtype) {
        if (!leased) {
            throw new IllegalStateException("copies are made between lease and release");
        }
        Tensor buffer = buffers.get(name);
        if (buffer != null && (buffer.dtype() != dtype || !Arrays.equals(buffer.shape(), value.shape()))) {
            buffer.close();
            buffer = null;
        }
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            if (buffer == null) {
                buffer = Tensor.empty(dtype, Device.CPU, value.shape()).keep();
                buffers.put(name, buffer);
            }
            buffer.copy_(value);
        }
        return buffer;
    }

    /** Bytes held. */
    public synchronized long bytes() {
        return buffers.values().stream()
                .mapToLong(t -> t.numel() * t.dtype().bytes())
                .sum();
    }

    /** Frees the memory. */
    @Override
    public synchronized void close() {
        closed = true;
        buffers.values().forEach(Tensor::close);
        buffers.clear();
    }
}
