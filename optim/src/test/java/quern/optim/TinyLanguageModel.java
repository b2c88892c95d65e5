package quern.optim;

import java.util.List;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * A language model small enough for a test of optimizers: the three letters before one are looked up in a table, mapped to
 * a hidden layer and to logits. Its text never has one context before two letters, so the loss can fall to zero.
 */
final class TinyLanguageModel implements AutoCloseable {
    private static final String TEXT = "a quern grinds grain into flour between two stones";
    private static final int CONTEXT = 3;
    private static final int WIDTH = 8;
    private static final int HIDDEN = 24;

    private final Parameter embedding;
    private final Parameter hidden;
    private final Parameter bias;
    private final Parameter head;
    private final Tensor contexts;
    private final Tensor targets;
    private final int examples = TEXT.length() - CONTEXT;

    TinyLanguageModel() {
        List<Integer> letters = TEXT.chars().distinct().boxed().toList();
        long[] context = new long[examples * CONTEXT];
        long[] target = new long[examples];
        for (int i = 0; i < examples; i++) {
            for (int j = 0; j < CONTEXT; j++) {
                context[i * CONTEXT + j] = letters.indexOf((int) TEXT.charAt(i + j));
            }
            target[i] = letters.indexOf((int) TEXT.charAt(i + CONTEXT));
        }
        int vocabulary = letters.size();
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(29);
            embedding = new Parameter("embedding", Tensor.randn(random, vocabulary, WIDTH));
            hidden = new Parameter(
                    "hidden", Tensor.randn(random, CONTEXT * WIDTH, HIDDEN).mul(1 / Math.sqrt(CONTEXT * WIDTH)));
            bias = new Parameter("bias", Tensor.randn(random, HIDDEN).mul(0.1));
            head = new Parameter(
                    "head", Tensor.randn(random, HIDDEN, vocabulary).mul(1 / Math.sqrt(HIDDEN)));
            contexts = Tensor.of(context, context.length).keep();
            targets = Tensor.of(target, examples, 1).keep();
        }
    }

    List<Parameter> parameters() {
        return List.of(embedding, hidden, bias, head);
    }

    /** The mean loss over the text in nats; the parameters hold its gradients afterwards. */
    double lossAndGradients() {
        parameters().forEach(Parameter::clearGrad);
        try (Scope scope = Scope.open()) {
            Tensor logits = embedding
                    .value()
                    .indexSelect(0, contexts)
                    .view(examples, CONTEXT * WIDTH)
                    .matmul(hidden.value())
                    .add(bias.value())
                    .tanh()
                    .matmul(head.value());
            Tensor loss =
                    logits.logSumExp(true, 1).sub(logits.gather(1, targets)).mean();
            Autograd.backward(List.of(loss), List.of(Tensor.full(1, DType.FP32, Device.CPU)));
            return loss.item();
        }
    }

    @Override
    public void close() {
        parameters().forEach(Parameter::close);
        contexts.close();
        targets.close();
    }
}
