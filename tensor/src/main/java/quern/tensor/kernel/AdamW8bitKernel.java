package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * A step of {@link AdamWKernel} whose moments are kept in 8 bits, in one pass over memory: a block of {@link #BLOCK}
 * numbers is decoded, updated in fp32 and encoded again before the next is looked at. A number x of a block is the code
 * of x / (the block's largest magnitude) in {@link DynamicMap#SIGNED} for the first moment, {@link DynamicMap#UNSIGNED}
 * for the second.
 *
 * <p>Dettmers et al.: <a href="https://arxiv.org/abs/2110.02861">8-bit Optimizers via Block-wise Quantization</a>.
 */
public final class AdamW8bitKernel {
    /** Numbers that share a scale. */
    public static final int BLOCK = 256;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    private AdamW8bitKernel() {}

    /**
     * A moment in 8 bits, written by a step.
     *
     * @param codes a byte an element, whole blocks
     * @param scales fp32, the largest magnitude of each block
     */
    public record Moment(MemorySegment codes, MemorySegment scales) {}

    /**
     * Updates a parameter, or a part of it that begins with a block.
     *
     * @param gradient of the type given, read only
     * @param master fp32 weights, updated
     * @param weight bf16 weights, overwritten with the rounded master; null when the model computes with the master
     * @param elements the last block may have fewer; its codes behind them are zero's
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when a segment is too short
     */
    public static void step(
            MemorySegment gradient,
            ElementType gradientType,
            MemorySegment master,
            Moment first,
            Moment second,
            MemorySegment weight,
            long elements,
            AdamWKernel.Step step) {
        Kernels.require();
        long blocks = Math.ceilDiv(elements, (long) BLOCK);
        Kernels.checkHolds("gradient", gradient, elements, gradientType.bytes());
        Kernels.checkWritable("master", master, elements, Float.BYTES);
        Kernels.checkWritable("codes of the first moment", first.codes(), blocks * BLOCK, Byte.BYTES);
        Kernels.checkWritable("codes of the second moment", second.codes(), blocks * BLOCK, Byte.BYTES);
        Kernels.checkWritable("scales of the first moment", first.scales(), blocks, Float.BYTES);
        Kernels.checkWritable("scales of the second moment", second.scales(), blocks, Float.BYTES);
        if (weight != null) {
            Kernels.checkWritable("weight", weight, elements, Short.BYTES);
        }
        AdamWKernel.Coefficients c = AdamWKernel.Coefficients.of(step);
        Blocks.run(elements, (range, begin, end) -> {
            AdamWKernel.Tile tile = new AdamWKernel.Tile(gradientType, weight != null);
            Coder coder = new Coder();
            for (long at = begin; at < end; at += AdamWKernel.Tile.SIZE) {
                int length = (int) Math.min(AdamWKernel.Tile.SIZE, end - at);
                tile.loadWithoutMoments(gradient, master, at, length);
                coder.decode(first, DynamicMap.SIGNED, tile.m, at, length);
                coder.decode(second, DynamicMap.UNSIGNED, tile.v, at, length);
                tile.update(c);
                tile.storeWithoutMoments(master, weight, at, length);
                coder.encode(tile.m, first, DynamicMap.SIGNED, at, length);
                coder.encode(tile.v, second, DynamicMap.UNSIGNED, at, length);
            }
        });
    }

    /** Decodes and encodes the blocks of a tile. Apart from the outer class, as {@link AdamWKernel}'s tile. */
    private static final class Coder {
        private final byte[] codes = new byte[AdamWKernel.Tile.SIZE];
        private final float[] scaled = new float[BLOCK];

        void decode(Moment moment, DynamicMap map, float[] into, long at, int length) {
            MemorySegment.copy(moment.codes(), BYTE, at, codes, 0, length);
            for (int begin = 0; begin < length; begin += BLOCK) {
                float scale = moment.scales().get(FLOAT, (at + begin) / BLOCK * 4);
                int end = Math.min(begin + BLOCK, length);
                for (int i = begin; i < end; i++) {
                    into[i] = map.decode(codes[i]) * scale;
                }
            }
        }

        void encode(float[] from, Moment moment, DynamicMap map, long at, int length) {
            int padded = Math.ceilDiv(length, BLOCK) * BLOCK;
            for (int i = length; i < padded; i++) {
                from[i] = 0;
            }
            for (int begin = 0; begin < padded; begin += BLOCK) {
                float scale = scale(from, begin);
                moment.scales().set(FLOAT, (at + begin) / BLOCK * 4, scale);
                for (int i = 0; i < BLOCK; i++) {
                    codes[begin + i] = map.encode(scaled[i]);
                }
            }
            MemorySegment.copy(codes, 0, moment.codes(), BYTE, at, padded);
        }

        /** The largest magnitude of a block, by which its numbers are divided. */
        private float scale(float[] from, int begin) {
            FloatVector largest = FloatVector.zero(Lanes.FLOATS);
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                largest = largest.max(Lanes.load(from, begin + i).abs());
            }
            float scale = largest.reduceLanes(VectorOperators.MAX);
            float divisor = Math.max(scale, Float.MIN_NORMAL);
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                Lanes.load(from, begin + i).div(divisor).intoArray(scaled, i);
            }
            return scale;
        }
    }
}
