package quern.nn;

import quern.recipe.QuernException;
import quern.tensor.Functional;
import quern.tensor.Tensor;

/** Element-wise activations by Hugging Face's names. */
public enum Activation {
    /** {@code x·Φ(x)}. */
    GELU {
        @Override
        public Tensor apply(Tensor x) {
            return Functional.gelu(x);
        }
    },
    /** GELU's tanh approximation. */
    GELU_TANH {
        @Override
        public Tensor apply(Tensor x) {
            return Functional.geluTanh(x);
        }
    },
    /** {@code max(x, 0)}. */
    RELU {
        @Override
        public Tensor apply(Tensor x) {
            return x.relu();
        }
    },
    /** {@code x·sigmoid(x)}. */
    SILU {
        @Override
        public Tensor apply(Tensor x) {
            return Functional.silu(x);
        }
    },
    /** {@code tanh x}. */
    TANH {
        @Override
        public Tensor apply(Tensor x) {
            return x.tanh();
        }
    };

    /** The activation of every element. */
    public abstract Tensor apply(Tensor x);

    /** Reads a name of a Hugging Face {@code config.json}; {@code where} says which key of which file. */
    public static Activation of(String name, String where) {
        return switch (name) {
            case "gelu" -> GELU;
            case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> GELU_TANH;
            case "relu" -> RELU;
            case "silu", "swish" -> SILU;
            case "tanh" -> TANH;
            default ->
                throw QuernException.badInput(
                        "%s: unknown activation '%s'; known are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, swish, tanh",
                        where, name);
        };
    }
}
