package quern.tensor;

import java.util.Locale;
import quern.recipe.QuernException;

/**
 * Element types, named as recipes name them. {@link #safetensors()} is the name in safetensors headers and {@link
 * #torch()} the one in a Hugging Face {@code config.json}.
 */
public enum DType {
    FP32("F32", "float32", 4),
    BF16("BF16", "bfloat16", 2),
    FP16("F16", "float16", 2),
    FP64("F64", "float64", 8),
    INT64("I64", "int64", 8),
    INT32("I32", "int32", 4),
    INT16("I16", "int16", 2),
    INT8("I8", "int8", 1),
    UINT8("U8", "uint8", 1),
    BOOL("BOOL", "bool", 1);

    private final String safetensors;
    private final String torch;
    private final int bytes;

    DType(String safetensors, String torch, int bytes) {
        this.safetensors = safetensors;
        this.torch = torch;
        this.bytes = bytes;
    }

    /** The dtype's name in a safetensors header. */
    public String safetensors() {
        return safetensors;
    }

    /** PyTorch's name, as written under {@code dtype} in {@code config.json}. */
    public String torch() {
        return torch;
    }

    /** Bytes an element. */
    public int bytes() {
        return bytes;
    }

    /** Whether elements are floating-point numbers, which alone can carry gradients. */
    public boolean isFloatingPoint() {
        return this == FP32 || this == BF16 || this == FP16 || this == FP64;
    }

    /** The dtype with this name in a safetensors header; {@code file} and {@code tensor} go into the error. */
    public static DType ofSafetensors(String name, String file, String tensor) {
        for (DType d : values()) {
            if (d.safetensors.equals(name)) {
                return d;
            }
        }
        throw QuernException.failed(
                "%s: tensor '%s' has dtype %s, which Quern does not compute with; convert the file to F32 or BF16",
                file, tensor, name);
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
