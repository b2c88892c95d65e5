package quern.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import quern.data.Batch;
import quern.data.TokenStream;
import quern.data.Windows;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.tensor.Device;
import quern.tensor.Scope;

/**
 * The loss of a language model on a text: the mean negative log-probability, in nats, of every token but the first, read
 * in windows that do not overlap.
 *
 * @param loss nats a token
 * @param perplexity {@code e^loss}
 * @param bitsPerByte the whole text's negative log-probability in bits over its bytes in UTF-8
 * @param tokens predicted tokens
 * @param bytes bytes of the text
 */
public record ValidationLoss(double loss, double perplexity, double bitsPerByte, long tokens, long bytes) {
    /** The names of {@link #metrics}. */
    static final List<String> METRICS = List.of("eval_loss", "eval_perplexity", "eval_bits_per_byte");

    /**
     * Measures a model on a stream.
     *
     * @param progress hears how many batches are done
     */
    public static ValidationLoss measure(
            Network network, Device device, TokenStream text, int maxLength, int rows, LongConsumer progress) {
        Windows windows = Windows.over(text, maxLength, rows);
        double sum = 0;
        long counted = 0;
        for (long i = 0; i < windows.batches(); i++) {
            Batch batch = windows.batch(i);
            try (Scope scope = Scope.open()) {
                Flow out = network.infer(TokenTensors.unweighted(batch, device), Pass.evaluation());
                for (float logprob : out.get("logprobs").toFloats()) {
                    sum -= logprob;
                }
            }
            counted += batch.countedTokens();
            progress.accept(i + 1);
        }
        double loss = sum / counted;
        return new ValidationLoss(
                loss, Math.exp(loss), sum / Math.log(2) / Math.max(1, text.textBytes()), counted, text.textBytes());
    }

    /** The figures under the names of training metrics. */
    Map<String, Double> metrics() {
        Map<String, Double> m = new LinkedHashMap<>();
        m.put(METRICS.get(0), loss);
        m.put(METRICS.get(1), perplexity);
        m.put(METRICS.get(2), bitsPerByte);
        return m;
    }
}
