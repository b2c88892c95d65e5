package quern.tensor.kernel;

/** The element types that the kernels read and write. */
public enum ElementType {
    /** IEEE 754 binary32. */
    FP32(4),
    /** The upper half of a binary32: 8 bits of exponent, 7 of fraction. */
    BF16(2);

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes an element takes. */
    public int bytes() {
        return bytes;
    }
}
