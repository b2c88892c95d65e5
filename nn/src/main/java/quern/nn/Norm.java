package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Normalisation over the last dimension, summed in fp32 whatever the dtype. */
public sealed interface Norm {
    /** x [..., D] to [..., D]. */
    Tensor forward(Tensor x, Pass pass);

    /** Its parameters. */
    List<Parameter> parameters();

    /**
     * Layer normalisation (Ba et al. 2016, arXiv:1607.06450); {@code weight} and {@code bias} may be null. A weight of two
     * dimensions [H, D] holds a row for each head of x [..., H, D].
     */
    record LayerNorm(Parameter weight, Parameter bias, double eps) implements Norm {
        @Override
        public Tensor forward(Tensor x, Pass pass) {
            if (weight != null && weight.value().dim() > 1) {
                Tensor y = Functional.layerNorm(x, null, null, eps).mul(pass.value(weight));
                return bias == null ? y : y.add(pass.value(bias));
            }
            return Functional.layerNorm(
                    x, weight == null ? null : pass.value(weight), bias == null ? null : pass.value(bias), eps);
        }

        @Override
        public List<Parameter> parameters() {
            if (weight == null) {
                return List.of();
            }
            return bias == null ? List.of(weight) : List.of(weight, bias);
        }
    }

    /** Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467). */
    record RmsNorm(Parameter weight, double eps) implements Norm {
        @Override
        public Tensor forward(Tensor x, Pass pass) {
            return Functional.rmsNorm(x, pass.value(weight), eps);
        }

        @Override
        public List<Parameter> parameters() {
            return List.of(weight);
        }
    }

    /** Root-mean-square normalisation whose factor is {@code 1 + weight}, so that weights of 0 leave it plain (Gemma). */
    record OffsetRmsNorm(Parameter weight, double eps) implements Norm {
        @Override
        public Tensor forward(Tensor x, Pass pass) {
            // The product is made in fp32: in bf16 1 + weight would lose most of the weight.
            Tensor y = Functional.rmsNorm(
                    x.to(DType.FP32), pass.value(weight).to(DType.FP32).add(1), eps);
            return y.to(x.dtype());
        }

        @Override
        public List<Parameter> parameters() {
            return List.of(weight);
        }
    }
}
