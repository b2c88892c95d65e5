package quern.bench;

import java.util.List;
import java.util.Map;
import quern.nn.DenseLinear;
import quern.nn.Flow;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.train.ProcessMemory;

/**
 * The memory that head and loss need, forward and backward, beyond weights, rows and gradients: in chunks of rows, or with
 * all logits at once by the plain form. Prints one line of JSON. A process measures one of them.
 */
public final class LossPeak {
    private static final long WIDTH = 64;

    private LossPeak() {}

    /** Takes {@code chunked} or {@code plain}, the vocabulary, and the tokens. */
    public static void main(String[] arguments) {
        boolean chunked = arguments[0].equals("chunked");
        long vocabulary = Long.parseLong(arguments[1]);
        long tokens = Long.parseLong(arguments[2]);
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(1);
            Parameter weight = new Parameter(
                    "head.weight", Tensor.randn(random, vocabulary, WIDTH).mul(0.02));
            try (Network network = new Network(
                    List.of(new LanguageModelHead("head", new Linear("head", new DenseLinear(weight, null)))))) {
                Flow flow = new Flow()
                        .put(
                                "hidden_states",
                                Tensor.randn(random, 1, tokens, WIDTH).requiresGrad_(true))
                        .put(
                                "targets",
                                Tensor.empty(DType.FP32, Device.CPU, 1, tokens)
                                        .uniform_(0, vocabulary - 1, random)
                                        .to(DType.INT64))
                        .put("weights", Tensor.full(1.0 / tokens, DType.FP32, Device.CPU, 1, tokens));
                // The gradient is there before and after, so it is not part of what is measured.
                weight.value().setGrad(Tensor.zeros(DType.FP32, vocabulary, WIDTH));
                ProcessMemory.forgetPeak();
                long before = ProcessMemory.read().now();
                Pass pass = chunked ? Pass.training(1) : Pass.training(1).probe("head/none", x -> x);
                double loss;
                try (Tape tape = network.forward(flow, pass)) {
                    loss = tape.get("loss").item();
                    tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
                }
                long peak = ProcessMemory.read().peak() - before;
                System.out.printf(
                        "{\"form\": \"%s\", \"vocabulary\": %d, \"tokens\": %d, \"peak_mb\": %.1f, \"loss\": %.5f}%n",
                        arguments[0], vocabulary, tokens, peak / 1e6, loss);
            }
        }
    }
}
