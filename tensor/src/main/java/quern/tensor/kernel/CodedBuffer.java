package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
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

    /**
     * Room for a tile's codes. Tables are looked up a vector at a time. Apart from the outer class, which must load where
     * the Vector API is missing.
     */
    static final class Coder {
        private final byte[] bytes = new byte[UpdateKernel.TILE];
        private final int[] indices = new int[BLOCK];

        /** Decodes {@code length} elements from {@code at}, which begins a block; the last block to its end. */
        void decode(CodedBuffer buffer, MemorySegment into, long at, int length) {
            int padded = Math.ceilDiv(length, BLOCK) * BLOCK;
            MemorySegment.copy(buffer.codes, BYTE, at, bytes, 0, padded);
            float[] values = buffer.map.table();
            for (int begin = 0; begin < padded; begin += BLOCK) {
                widen(bytes, begin, indices);
                decode(values, indices, buffer.scales.get(FLOAT, (at + begin) / BLOCK * Float.BYTES), into, begin);
            }
        }

        private static void widen(byte[] bytes, int begin, int[] codes) {
            for (int i = 0; i < BLOCK; i++) {
                codes[i] = bytes[begin + i] & 0xff;
            }
        }

        private static void decode(float[] values, int[] codes, float scale, MemorySegment into, int begin) {
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                FloatVector value = FloatVector.fromArray(Lanes.FLOATS, values, 0, codes, i);
                Lanes.storeFloats(value.mul(scale), into, (begin + i) * 4L);
            }
        }

        /** Encodes them; behind the last one of the buffer the tile is overwritten with zeros. */
        void encode(CodedBuffer buffer, MemorySegment from, long at, int length) {
            int padded = Math.ceilDiv(length, BLOCK) * BLOCK;
            from.asSlice(length * 4L, (padded - length) * 4L).fill((byte) 0);
            for (int begin = 0; begin < padded; begin += BLOCK) {
                float scale = largest(from, begin);
                buffer.scales.set(FLOAT, (at + begin) / BLOCK * Float.BYTES, scale);
                float divisor = Math.max(scale, Float.MIN_NORMAL);
                encode(buffer.map.firstCodes(), buffer.map.ends(), from, begin, divisor, indices);
                narrow(indices, bytes, begin);
            }
            MemorySegment.copy(bytes, 0, buffer.codes, BYTE, at, padded);
        }

        private static float largest(MemorySegment from, int begin) {
            FloatVector largest = FloatVector.zero(Lanes.FLOATS);
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                largest = largest.max(Lanes.loadFloats(from, (begin + i) * 4L).abs());
            }
            return largest.reduceLanes(VectorOperators.MAX);
        }

        /** As {@link DynamicMap#encode}, of shares of {@code divisor}. */
        private static void encode(
                int[] firstCodes, float[] ends, MemorySegment from, int begin, float divisor, int[] codes) {
            for (int i = 0; i < BLOCK; i += Lanes.COUNT) {
                FloatVector share = Lanes.loadFloats(from, (begin + i) * 4L).div(divisor);
                IntVector bits = share.reinterpretAsInts();
                bits.and(0x7fffffff)
                        .lanewise(VectorOperators.LSHR, DynamicMap.SHIFT)
                        .sub(DynamicMap.LOWEST)
                        .max(0)
                        .min(DynamicMap.KEYS - 1)
                        .add(bits.lanewise(VectorOperators.ASHR, 31).and(DynamicMap.KEYS))
                        .intoArray(codes, i);
                IntVector code = IntVector.fromArray(Lanes.INTS, firstCodes, 0, codes, i);
                code.intoArray(codes, i);
                FloatVector end = FloatVector.fromArray(Lanes.FLOATS, ends, 0, codes, i);
                code.add(1, share.compare(VectorOperators.GT, end).cast(Lanes.INTS))
                        .intoArray(codes, i);
            }
        }

        private static void narrow(int[] codes, byte[] bytes, int begin) {
            for (int i = 0; i < BLOCK; i++) {
                bytes[begin + i] = (byte) codes[i];
            }
        }
    }
}
