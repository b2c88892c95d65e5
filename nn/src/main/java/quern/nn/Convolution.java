package quern.nn;

import java.util.List;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A convolution of images [B, C, H, W].
 *
 * @param weight [out, C, k, k]
 * @param bias [out]
 * @param stride pixels from one place of the kernel to the next
 * @param padding rows and columns of zeros on each side
 */
public record Convolution(Parameter weight, Parameter bias, int stride, int padding) {
    List<Parameter> parameters() {
        return List.of(weight, bias);
    }

    Tensor forward(Tensor x_BCHW, Pass pass) {
        return Functional.conv2d(x_BCHW, pass.value(weight), pass.value(bias), stride, padding);
    }
}
