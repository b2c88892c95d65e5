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
    /** {@code x·sigmoid(1.702 x)}, CLIP's approximation of GELU. */
    QUICK_GELU {
        @Override
        public Tensor apply(Tensor x) {
            return x.mul(x.mul(1.702).sigmoid());
        }
    },
    /** {@code max(x, 0)²} (So et al. 2021, arXiv:2109.08668). */
    RELU_SQUARED {
        @Override
        public Tensor apply(Tensor x) {
            return x.relu().square();
        }
    },
    /** {@code 1 / (1 + e^-x)}. */
    SIGMOID {
        @Override
        public Tensor apply(Tensor x) {
            return x.sigmoid();
        }
    },
    /** {@code x}. */
    LINEAR {
        @Override
        public Tensor apply(Tensor x) {
            return x;
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
            case "gelu", "gelu_python" -> GELU;
            case "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate" -> GELU_TANH;
            case "quick_gelu" -> QUICK_GELU;
            case "relu" -> RELU;
            case "relu2" -> RELU_SQUARED;
            case "sigmoid" -> SIGMOID;
            case "linear" -> LINEAR;
            case "silu", "swish" -> SILU;
            case "tanh" -> TANH;
            default ->
                throw QuernException.badInput(
                        "%s: unknown activation '%s'; known are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, relu, relu2, sigmoid, silu, swish, tanh, linear",
                        where, name);
        };
    }
}
