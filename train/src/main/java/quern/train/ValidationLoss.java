package quern.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CausalLm;
import quern.data.Lanes;
import quern.data.TokenStream;
import quern.data.Windows;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.recipe.QuernException;
import quern.tensor.Device;
import quern.tensor.Scope;

/**
 * The loss of a model on a text. Of a causal language model: the mean negative log-probability, in nats, of every token
 * but the first, read in windows that do not overlap, by a model with memories in {@link Lanes}, or of the answers of instruction rows. Of others: the mean of their
 * objective's loss over a fixed epoch of its batches.
 *
 * @param loss nats a token
 * @param perplexity {@code e^loss}
 * @param bitsPerByte the whole text's negative log-probability in bits over its bytes in UTF-8; NaN where the objective
 *     doesn't predict the whole text
 * @param tokens predicted tokens
 * @param bytes bytes of the text
 */
public record ValidationLoss(double loss, double perplexity, double bitsPerByte, long tokens, long bytes) {
    static final String BITS_PER_BYTE = "eval_bits_per_byte";

    /** The names of {@link #metrics}. */
    static final List<String> METRICS = List.of("eval_loss", "eval_perplexity", BITS_PER_BYTE);

    /**
     * Measures a model on a stream; where it holds prompts, on their answers, documents cut to {@code maxLength}.
     *
     * @param progress hears how many batches are done
     */
    public static ValidationLoss measure(
            Network network, Device device, TokenStream text, int maxLength, int rows, LongConsumer progress) {
        if (text.hasPrompts()) {
            if (remembers(network)) {
                throw QuernException.badInput(
                        "%s: instruction rows have no lanes of text, so a model with memories can't be measured on them; give texts",
                        text.origin());
            }
            BatchSource answers = CausalLm.answers(text, maxLength, rows);
            return measure(network, device, answers, answers.batchesPerEpoch(), progress);
        }
        double sum = 0;
        long counted = 0;
        long batches = batches(network, text, maxLength, rows);
        LongFunction<Batch> source = remembers(network)
                ? Lanes.ofStream(text, maxLength, lanes(text, rows))::batch
                : Windows.over(text, maxLength, rows)::batch;
        try (CarriedMemories memories = new CarriedMemories(network, device)) {
            for (long i = 0; i < batches; i++) {
                Batch batch = source.apply(i);
                try (Scope scope = Scope.open()) {
                    Flow flow = TokenTensors.unweighted(batch, device);
                    memories.put(flow, batch);
                    Flow out = network.infer(flow, Pass.evaluation());
                    memories.take(out::get);
                    for (float logprob : out.get("logprobs").toFloats()) {
                        sum -= logprob;
                    }
                }
                counted += batch.countedTokens();
                progress.accept(i + 1);
            }
        }
        double loss = sum / counted;
        return new ValidationLoss(
                loss, Math.exp(loss), sum / Math.log(2) / Math.max(1, text.textBytes()), counted, text.textBytes());
    }

    /** How many batches a model is measured by on a stream without prompts. */
    public static long batches(Network network, TokenStream text, int maxLength, int rows) {
        Windows windows = Windows.over(text, maxLength, rows);
        return remembers(network)
                ? Lanes.ofStream(text, maxLength, lanes(text, rows)).batchesPerEpoch()
                : windows.batches();
    }

    /** Whether a model reads lanes of text, and hands memories on. */
    private static boolean remembers(Network network) {
        return !network.carries().isEmpty();
    }

    /** A text of a few tokens has no more lanes than tokens to predict. */
    private static int lanes(TokenStream text, int rows) {
        return (int) Math.min(rows, text.size() - 1);
    }

    /**
     * Measures a model on the first batches of an objective.
     *
     * @param progress hears how many batches are done
     */
    public static ValidationLoss measure(
            Network network, Device device, BatchSource source, long batches, LongConsumer progress) {
        long counted = 0;
        long rows = 0;
        for (long i = 0; i < batches; i++) {
            Batch batch = source.batch(i);
            counted += batch.countedTokens();
            rows += batch.rows();
        }
        double loss = 0;
        for (long i = 0; i < batches; i++) {
            Batch batch = source.batch(i);
            try (Scope scope = Scope.open()) {
                Flow inputs = TokenTensors.flow(batch, 1.0 / Math.max(1, counted), 1.0 / Math.max(1, rows), device);
                loss += network.infer(inputs, Pass.evaluation()).get("loss").item();
            }
            progress.accept(i + 1);
        }
        return new ValidationLoss(loss, Math.exp(loss), Double.NaN, counted, 0);
    }

    /** That of two texts together: the means over the tokens and bytes of both. */
    ValidationLoss with(ValidationLoss other) {
        long all = tokens + other.tokens;
        double mean = (loss * tokens + other.loss * other.tokens) / all;
        long text = bytes + other.bytes;
        return new ValidationLoss(
                mean,
                Math.exp(mean),
                (bitsPerByte * bytes + other.bitsPerByte * other.bytes) / Math.max(1, text),
                all,
                text);
    }

    /** The figures under the names of training metrics. */
    Map<String, Double> metrics() {
        Map<String, Double> m = new LinkedHashMap<>();
        m.put(METRICS.get(0), loss);
        m.put(METRICS.get(1), perplexity);
        if (!Double.isNaN(bitsPerByte)) {
            m.put(METRICS.get(2), bitsPerByte);
        }
        return m;
    }
}
