package quern.optim.internal;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.Tensor;

/**
 * How a tensor is cut into blocks of at most {@code size} along each dimension. Blocks of equal shape lie together in a
 * {@link Region}, so that they can be worked on as one batch: a tensor of k dimensions has up to 2^k regions, of whole
 * blocks and of what is left over at the ends.
 */
public final class TensorBlocks {
    private final List<Region> regions;

    /**
     * Blocks of one shape.
     *
     * @param begins where the region begins along each dimension
     * @param counts how many blocks it has along each
     * @param extents a block's shape
     */
    public record Region(long[] begins, long[] counts, long[] extents) {
        /** The number of blocks. */
        public long blocks() {
            long product = 1;
            for (long count : counts) {
                product *= count;
            }
            return product;
        }

        /** The elements of one block. */
        public long blockNumel() {
            long product = 1;
            for (long extent : extents) {
                product *= extent;
            }
            return product;
        }

        /** The region of a whole tensor as [count 0, extent 0, count 1, extent 1, …]; a view. */
        private Tensor cut(Tensor whole) {
            int dims = extents.length;
            long[] shape = new long[2 * dims];
            Tensor part = whole;
            for (int d = 0; d < dims; d++) {
                part = part.narrow(d, begins[d], counts[d] * extents[d]);
                shape[2 * d] = counts[d];
                shape[2 * d + 1] = extents[d];
            }
            return part.view(shape);
        }

        private long[] countsThenExtents() {
            int dims = extents.length;
            long[] order = new long[2 * dims];
            for (int d = 0; d < dims; d++) {
                order[d] = 2L * d;
                order[dims + d] = 2L * d + 1;
            }
            return order;
        }

        /** The blocks of a whole tensor as [blocks, …extents]. */
        public Tensor gather(Tensor whole) {
            Tensor cut = cut(whole).permute(countsThenExtents());
            return cut.reshape(withBlocks(extents));
        }

        /** Writes blocks, as {@link #gather} gives them, to their places in a whole tensor. */
        public void scatter(Tensor blocks, Tensor whole) {
            int dims = extents.length;
            long[] shape = new long[2 * dims];
            System.arraycopy(counts, 0, shape, 0, dims);
            System.arraycopy(extents, 0, shape, dims, dims);
            cut(whole).permute(countsThenExtents()).copy_(blocks.reshape(shape));
        }

        private long[] withBlocks(long[] shape) {
            long[] result = new long[shape.length + 1];
            result[0] = blocks();
            System.arraycopy(shape, 0, result, 1, shape.length);
            return result;
        }
    }

    /**
     * Cuts a shape of one dimension or more.
     *
     * @param size the longest side of a block; 0 cuts nothing
     */
    public TensorBlocks(long[] shape, long size) {
        List<Region> cut = new ArrayList<>();
        int dims = shape.length;
        cut.add(new Region(new long[dims], new long[dims], new long[dims]));
        for (int d = 0; d < dims; d++) {
            long side = size == 0 ? shape[d] : Math.min(size, shape[d]);
            if (side == 0) {
                cut.clear();
                break;
            }
            long whole = shape[d] / side;
            long rest = shape[d] % side;
            List<Region> next = new ArrayList<>();
            for (Region region : cut) {
                next.add(with(region, d, 0, whole, side));
                if (rest > 0) {
                    next.add(with(region, d, whole * side, 1, rest));
                }
            }
            cut = next;
        }
        regions = List.copyOf(cut);
    }

    private static Region with(Region region, int dim, long begin, long count, long extent) {
        long[] begins = region.begins().clone();
        long[] counts = region.counts().clone();
        long[] extents = region.extents().clone();
        begins[dim] = begin;
        counts[dim] = count;
        extents[dim] = extent;
        return new Region(begins, counts, extents);
    }

    /** The regions; none where the tensor has no element. */
    public List<Region> regions() {
        return regions;
    }

    /** The numbers that a square matrix of each block's side takes, over all blocks and dimensions. */
    public long squares() {
        long sum = 0;
        for (Region region : regions) {
            for (long extent : region.extents()) {
                sum += region.blocks() * extent * extent;
            }
        }
        return sum;
    }
}
