package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/**
 * The memory of a network's large visits: pieces in which the activations of blocks and the gradients of their weights take
 * turns. Backward makes the gradients of one block when the activations of the one behind it are not needed any more, so a step
 * needs little more than the larger of the two. A piece is free as soon as no tensor lies in it, and stays for the next that
 * asks. The system's allocator does this badly for aligned tensors of many sizes: it asks for more than a tensor that was freed
 * took, so gaps stay and memory grows from step to step.
 */
final class VisitMemory implements AutoCloseable {
    /** Makes every tensor apart. */
    static final VisitMemory NONE = new VisitMemory(Long.MAX_VALUE);

    /** Less than this the allocator has room for anywhere, and tensors apart take fewer calls. */
    private static final long LARGE = 2 << 20;

    /** How many times as large as what is asked for a piece may be. */
    private static final long MOST_LARGER = 4;

    /** Where tensors begin in a piece, in bytes: on lines of the cache. */
    private static final long ALIGNMENT = 64;

    private final long least;
    private final List<Tensor> pieces = new ArrayList<>();

    VisitMemory() {
        this(LARGE);
    }

    /** As above with pieces from {@code least} bytes on. */
    VisitMemory(long least) {
        this.least = least;
    }

    /** Tensors of these shapes that come and go together, their content undefined. They belong to the open scope. */
    synchronized List<Tensor> empty(DType dtype, Device device, List<long[]> shapes) {
        long bytes = shapes.stream().mapToLong(shape -> room(dtype, shape)).sum();
        List<Tensor> result = new ArrayList<>();
        if (bytes < least) {
            shapes.forEach(shape -> result.add(Tensor.empty(dtype, device, shape)));
            return result;
        }
        Tensor piece = piece(bytes / DType.FP32.bytes(), device).viewAs(dtype);
        long offset = 0;
        for (long[] shape : shapes) {
            result.add(piece.narrow(0, offset, elements(shape)).view(shape));
            offset += room(dtype, shape) / dtype.bytes();
        }
        return result;
    }

    /** As {@link #empty}, one like another. */
    Tensor emptyLike(Tensor other) {
        return empty(other.dtype(), other.device(), List.of(other.shape())).getFirst();
    }

    /** The smallest free piece that fits, or a new one, for which one that is too small goes. */
    private Tensor piece(long length, Device device) {
        Tensor best = null;
        Tensor tooSmall = null;
        for (Tensor piece : pieces) {
            if (piece.isShared()) {
                continue;
            }
            if (piece.numel() < length || !piece.device().equals(device)) {
                tooSmall = piece;
            } else if (piece.numel() <= MOST_LARGER * length && (best == null || piece.numel() < best.numel())) {
                best = piece;
            }
        }
        if (best != null) {
            return best;
        }
        if (tooSmall != null) {
            pieces.remove(tooSmall);
            tooSmall.close();
        }
        Tensor made = Tensor.empty(DType.FP32, device, length).keep();
        pieces.add(made);
        return made;
    }

    /** The pieces there are. */
    synchronized int pieces() {
        return pieces.size();
    }

    /** Frees what is free, and the rest when its last tensor goes. */
    @Override
    public synchronized void close() {
        pieces.forEach(Tensor::close);
        pieces.clear();
    }

    /** The bytes of a tensor in a piece. */
    private static long room(DType dtype, long[] shape) {
        return Math.ceilDiv(elements(shape) * dtype.bytes(), ALIGNMENT) * ALIGNMENT;
    }

    private static long elements(long[] shape) {
        long product = 1;
        for (long size : shape) {
            product *= size;
        }
        return product;
    }
}
