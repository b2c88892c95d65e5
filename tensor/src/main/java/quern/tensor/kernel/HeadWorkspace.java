package quern.tensor.kernel;

/**
 * The arrays of a {@link LinearCrossEntropyKernel} call. Calls for one head use them one after another; they are kept for the next
 * call unless memory is short.
 */
final class HeadWorkspace {
    /** Words that are computed together. */
    static final int BLOCK = 128;

    private record Key(int vocabulary, int width, int lanes) {}

    private static final SoftPool<Key, HeadWorkspace> FREE = new SoftPool<>();

    private final Key key;
    /** Tokens there is room for in panels, the distance of rows of logits, and that of rows of x and of W. */
    final int tokens;

    final int tokenStride;
    final int stride;
    final int blocks;
    /** Rows [N, D], their transpose in panels, and they themselves in panels. */
    final float[] x;

    final float[] xTransposedPanels;
    final float[] xPanels;
    /** Blocks one behind another: logits [V, N], then what is made of them. */
    final float[] logits;
    /** Each block's largest logit a token, and its sum of exponentials: [blocks, tokens]. */
    final float[] maxima;

    final float[] sums;
    final Lane[] lanes;

    /** A thread's own arrays. */
    final class Lane {
        /** A block's rows of W, and these in panels. */
        final float[] words = new float[BLOCK * stride];

        final float[] wordPanels = new float[Gemm.panelsLength(BLOCK, stride)];
        /** A block's rows of the gradient of W. */
        final float[][] dWords = {new float[Gemm.START + BLOCK * stride]};

        final float[] dzEights = new float[Gemm.eightsLength(BLOCK, tokens)];
        /** The lane's share of the gradient of x. */
        final float[] dx = new float[Gemm.START + tokens * stride];

        /** Whether this call put something there. */
        boolean used;

        final float[] scales = new float[tokens];
        /** A block's biases, or their gradients. */
        final float[] biases = new float[BLOCK];

        final float[] scratch = new float[Lanes.COUNT];
    }

    private HeadWorkspace(Key key, int rows) {
        this.key = key;
        // Whatever the width of vectors.
        tokens = Gemm.padColumns(rows);
        tokenStride = tokenStride(tokens);
        stride = Gemm.padColumns(key.width);
        blocks = blocks(key.vocabulary);
        x = new float[tokens * stride];
        xTransposedPanels = new float[Gemm.panelsLength(stride, tokens)];
        xPanels = new float[Gemm.panelsLength(tokens, stride)];
        logits = new float[Gemm.START + blocks * BLOCK * tokenStride];
        maxima = new float[blocks * tokens];
        sums = new float[blocks * tokens];
        lanes = new Lane[key.lanes];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = new Lane();
        }
    }

    /** An odd number of lines of the cache, so that rows of logits don't share places there. */
    private static int tokenStride(int tokens) {
        return tokens + Gemm.padColumns(1) / 2;
    }

    private static int blocks(int vocabulary) {
        return Math.ceilDiv(vocabulary, BLOCK);
    }

    /** One with room for so many rows at least. A head has one, which grows: calls come with any number of rows. */
    static HeadWorkspace take(int rows, int vocabulary, int width) {
        Key key = new Key(vocabulary, width, KernelThreads.count());
        HeadWorkspace kept = FREE.take(key, k -> new HeadWorkspace(k, rows));
        return kept.tokens >= rows ? kept : new HeadWorkspace(key, rows);
    }

    static void give(HeadWorkspace workspace) {
        FREE.give(workspace.key, workspace);
    }

    /** The floats of a workspace, about. */
    static long floats(int rows, int vocabulary, int width) {
        int tokens = Gemm.padColumns(rows);
        long stride = Gemm.padColumns(width);
        long shared = 3L * tokens * stride + (long) blocks(vocabulary) * (BLOCK * tokenStride(tokens) + 2L * tokens);
        return shared + KernelThreads.count() * (3L * BLOCK * stride + (long) tokens * (BLOCK + stride));
    }

    /** Where a block's logits begin. */
    int logitsAt(int block) {
        return Gemm.START + block * BLOCK * tokenStride;
    }
}
