package quern.nn;

/**
 * Which keys queries see beside, or in place of, all those of a {@link Mask}: patterns whose cost does not grow with the
 * square of the length. Positions count from a sequence's first real token.
 */
public sealed interface SparsePattern {
    /** Whether the query at position {@code q} sees the key at position {@code k}, apart from looking ahead. */
    boolean sees(long q, long k);

    /**
     * The strided pattern of sparse transformers (Child et al. 2019, arXiv:1904.10509, section 4.2), both of its parts in each
     * head: the {@code stride} nearest keys, and every key whose distance is a multiple of {@code stride}. A query sees
     * stride + T/stride keys.
     */
    record Strided(int stride) implements SparsePattern {
        /** Checks the stride. */
        public Strided {
            if (stride < 1) {
                throw new IllegalArgumentException("a stride of " + stride + "; at least 1 is needed");
            }
        }

        @Override
        public boolean sees(long q, long k) {
            return Math.abs(q - k) < stride || (q - k) % stride == 0;
        }
    }

    /**
     * Blocks of positions (Zaheer et al. 2020, arXiv:2007.14062, "BigBird", without its random blocks): a query sees its own
     * block, the {@code neighbours} nearest ones on each side, and the first {@code global} blocks; positions of global blocks
     * see every block.
     *
     * @param size positions a block
     * @param neighbours blocks on each side, 0 for none
     * @param global blocks that all see and that see all, 0 for none
     */
    record Blocks(int size, int neighbours, int global) implements SparsePattern {
        /** Checks the sizes. */
        public Blocks {
            if (size < 1 || neighbours < 0 || global < 0) {
                throw new IllegalArgumentException(
                        "blocks of %d positions, %d neighbours, %d global blocks; at least 1, 0 and 0 are needed"
                                .formatted(size, neighbours, global));
            }
        }

        @Override
        public boolean sees(long q, long k) {
            long own = Math.floorDiv(q, (long) size);
            long other = Math.floorDiv(k, (long) size);
            return Math.abs(own - other) <= neighbours || own < global || other < global;
        }
    }

    /**
     * A window and global tokens (Beltagy et al. 2020, arXiv:2004.05150, "Longformer"): a query sees keys less than {@code
     * window} positions away and the first {@code tokens} keys; those positions see every key.
     */
    record Globals(int window, int tokens) implements SparsePattern {
        /** Checks the sizes. */
        public Globals {
            if (window < 1 || tokens < 1) {
                throw new IllegalArgumentException(
                        "a window of %d keys and %d global tokens; at least 1 of each is needed"
                                .formatted(window, tokens));
            }
        }

        @Override
        public boolean sees(long q, long k) {
            return Math.abs(q - k) < window || q < tokens || k < tokens;
        }
    }
}
