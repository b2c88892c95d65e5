package quern.tensor.internal;

/**
 * The element types of the safetensors format that Quern reads and writes, in the order in which the reference library
 * lays tensors out in a file (widest alignment first).
 */
public enum SafetensorsType {
    U64(8),
    I64(8),
    F64(8),
    F32(4),
    U32(4),
    I32(4),
    BF16(2),
    F16(2),
    U16(2),
    I16(2),
    F8_E4M3(1),
    F8_E5M2(1),
    I8(1),
    U8(1),
    BOOL(1);

    private final int bytes;

    SafetensorsType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes an element takes. */
    public int bytes() {
        return bytes;
    }

    /** The type of that name, or null when the format has none or Quern does not read it. */
    public static SafetensorsType of(String name) {
        for (SafetensorsType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }

    /**
     * Bytes that a tensor of this type and shape takes.
     *
     * @throws ArithmeticException when that is more than a long holds or a dimension is negative
     */
    public long byteSize(long[] shape) {
        long size = bytes;
        boolean empty = false;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new ArithmeticException("negative dimension");
            }
            empty |= dimension == 0;
            // A zero after an overflow would still be an overflow in the reference, so multiply on.
            size = Math.multiplyExact(size, dimension == 0 ? 1 : dimension);
        }
        return empty ? 0 : size;
    }
}
