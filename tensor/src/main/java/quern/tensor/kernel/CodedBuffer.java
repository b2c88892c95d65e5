package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * A buffer of an optimizer in 8 bits: a number x of a block of {@link #BLOCK} is the code of x / (the block's largest
 * magnitude). {@link UpdateKernel} decodes it into a tile, and encodes what the update leaves there. Dettmers et al.: <a
 * href="https://arxiv.org/abs/2110.02861">8-bit Optimizers via Block-wise Quantization</a>.
 *
 * @param codes a byte an element, whole blocks; those behind the last element are the code of zero
 * @param scales fp32, the largest magnitude of each block
 * @param map what codes stand for
 */
public record CodedBuffer(MemorySegment codes, MemorySegment scales, DynamicMap map) {
    /** Numbers that share a scale. */
    public static final int BLOCK = 256;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    void check(long elements) {
        long blocks = Math.ceilDiv(elements, (long) BLOCK);
        Kernels.checkWritable("codes", codes, blocks * BLOCK, Byte.BYTES);
        Kernels.checkWritable("scales", scales, blocks, Float.BYTES);
    }

    /** Room for a tile's codes. Apart from the outer class, which must load where the Vector API is missing. */
    static final class Coder {
        private final byte[] codes = new byte[UpdateKernel.TILE];
        private final float[] shares = new float[BLOCK];

        /** Decodes {@code length} elements from {@code at}, which begins a block; the rest of the tile stays. */
        void decode(CodedBuffer buffer, float[] into, long at, int length) {
            MemorySegment.copy(buffer.codes, BYTE, at, codes, 0, length);
            for (int begin = 0; begin < length; begin += BLOCK) {
                float scale = buffer.scales.get(FLOAT, (at + begin) / BLOCK * Float.BYTES);
                int end = Math.min(begin + BLOCK, length);
                for (int i = begin; i < end; i++) {
                    into[i] = buffer.map.decode(codes[i]) * scale;
                }
            }
        }

        /** Encodes them; behind the last one of the buffer the tile is overwritten with zeros. */
        void encode(CodedBuffer buffer, float[] from, long at, int length) {
            int padded = Math.ceilDiv(length, BLOCK) * BLOCK;
            Arrays.fill(from, length, padded, 0);
            for (int begin = 0; begin < padded; begin += BLOCK) {
                float scale = divide(from, begin);
                buffer.scales.set(FLOAT, (at + begin) / BLOCK * Float.BYTES, scale);
                for (int i = 0; i < BLOCK; i++) {
                    codes[begin + i] = buffer.map.encode(shares[i]);
                }
            }
            MemorySegment.copy(codes, 0, buffer.codes, BYTE, at, padded);
        }

        /** Takes a block's shares of its largest magnitude, which it gives. */
        private float divide(float[] from, int begin) {
            FloatVector largest = FloatVector.zero(Lanes.FLOATS);
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                largest = largest.max(Lanes.load(from, begin + i).abs());
            }
            float scale = largest.reduceLanes(VectorOperators.MAX);
            float divisor = Math.max(scale, Float.MIN_NORMAL);
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                Lanes.load(from, begin + i).div(divisor).intoArray(shares, i);
            }
            return scale;
        }
    }
}
