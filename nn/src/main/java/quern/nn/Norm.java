package quern.nn;

import java.util.List;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Normalisation over the last dimension, summed in fp32 whatever the dtype. */
public sealed interface Norm {
    /** x [..., D] to [..., D]. */
    Tensor forward(Tensor x, Pass pass);

    /** Its parameters. */
    List<Parameter> parameters();

    /** Layer normalisation (Ba et al. 2016, arXiv:1607.06450); {@code bias} may be null. */
    record LayerNorm(Parameter weight, Parameter bias, double eps) implements Norm {
        @Override
        public Tensor forward(Tensor x, Pass pass) {
            return Functional.layerNorm(x, pass.value(weight), bias == null ? null : pass.value(bias), eps);
        }

        @Override
        public List<Parameter> parameters() {
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
}
