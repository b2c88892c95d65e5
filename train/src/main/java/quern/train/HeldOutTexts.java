package quern.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.TokenStore;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.nn.Network;

/** The texts that a training is judged by: one, or one of each of its sources, which are measured by themselves too. */
final class HeldOutTexts {
    /** What an evaluation draws is the same in every run, so that runs can be compared. */
    private static final long SEED = 0;

    /** A text of fewer tokens has none to predict. */
    private static final int LEAST_TOKENS = 2;

    /**
     * One of them.
     *
     * @param name of its source; empty where there are no sources
     * @param batches those of the objective, where it has its own
     */
    private record Part(String name, TokenStream text, Optional<BatchSource> batches) {}

    private final List<Part> parts;
    private final int maxLength;
    private final int rows;

    private HeldOutTexts(List<Part> parts, int maxLength, int rows) {
        this.parts = List.copyOf(parts);
        this.maxLength = maxLength;
        this.rows = rows;
    }

    /**
     * Those of these corpora.
     *
     * @param rows of a batch
     */
    static HeldOutTexts of(
            DataConfig data,
            List<TokenStore> stores,
            Tokenizer tokenizer,
            Objective objective,
            Record objectiveConfig,
            int rows) {
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < stores.size(); i++) {
            TokenStream text = stores.get(i).validation();
            if (text.size() >= LEAST_TOKENS) {
                parts.add(new Part(
                        data.sources().isEmpty() ? "" : data.sources().get(i).name(),
                        text,
                        objective.evaluation(
                                new Objective.Input(
                                        text, tokenizer, data.parts().get(i), rows, SEED),
                                objectiveConfig)));
            }
        }
        return new HeldOutTexts(parts, data.maxLength(), rows);
    }

    /** Whether there is nothing to be judged by. */
    boolean isEmpty() {
        return parts.isEmpty();
    }

    /** Whether the objective has batches of its own for it. */
    boolean hasOwnBatches() {
        return parts.stream().anyMatch(part -> part.batches().isPresent());
    }

    /** The texts that those read beside. */
    List<TokenStream> texts() {
        return parts.stream()
                .flatMap(part -> part.batches().stream())
                .flatMap(batches -> batches.texts().stream())
                .toList();
    }

    /** What a person should know about how they were arranged. */
    List<String> notices() {
        List<String> all = new ArrayList<>();
        for (Part part : parts) {
            String what = part.name().isEmpty() ? "validation: " : "validation of %s: ".formatted(part.name());
            part.batches().ifPresent(batches -> batches.notices().forEach(notice -> all.add(what + notice)));
        }
        return all;
    }

    /** The names of the metrics that {@link #measure} gives beside {@link ValidationLoss#METRICS}. */
    List<String> metrics() {
        return parts.stream()
                .filter(part -> !part.name().isEmpty())
                .map(part -> metric(part.name()))
                .toList();
    }

    private static String metric(String source) {
        return ValidationLoss.METRICS.getFirst() + "/" + source;
    }

    /** How many batches they are. */
    long batches(Network network) {
        return parts.stream().mapToLong(part -> batches(part, network)).sum();
    }

    private long batches(Part part, Network network) {
        return part.batches()
                .map(BatchSource::batchesPerEpoch)
                .orElseGet(() -> ValidationLoss.batches(network, part.text(), maxLength, rows));
    }

    /**
     * Seconds that all of them take, from the first batches of each.
     *
     * @param trained the network with what the objective adds to it
     */
    double seconds(LanguageModel model, Network trained) {
        double seconds = 0;
        for (Part part : parts) {
            long all = batches(part, model.network());
            long few = Math.min(2, all);
            Part first = part.batches().isPresent()
                    ? part
                    : new Part(
                            "",
                            new Beginning(part.text(), Math.min(part.text().size(), 2L * rows * maxLength + 1)),
                            Optional.empty());
            long measured = part.batches().isPresent() ? few : batches(first, model.network());
            long start = System.nanoTime();
            measure(first, model, trained, measured, done -> {});
            seconds += (System.nanoTime() - start) / 1e9 * all / measured;
        }
        return seconds;
    }

    /**
     * The losses under the names of metrics: of each source, and of all the mean over their tokens.
     *
     * @param trained the network with what the objective adds to it
     * @param progress hears how many batches are done
     */
    Map<String, Double> measure(LanguageModel model, Network trained, LongConsumer progress) {
        List<ValidationLoss> losses = new ArrayList<>();
        Map<String, Double> own = new LinkedHashMap<>();
        long before = 0;
        for (Part part : parts) {
            long done = before;
            long all = batches(part, model.network());
            ValidationLoss loss = measure(part, model, trained, all, now -> progress.accept(done + now));
            losses.add(loss);
            if (!part.name().isEmpty()) {
                own.put(metric(part.name()), loss.loss());
            }
            before += all;
        }
        Map<String, Double> metrics =
                losses.stream().reduce(ValidationLoss::with).orElseThrow().metrics();
        metrics.putAll(own);
        return metrics;
    }

    private ValidationLoss measure(
            Part part, LanguageModel model, Network trained, long batches, LongConsumer progress) {
        return part.batches()
                .map(source -> ValidationLoss.measure(trained, model.device(), source, batches, progress))
                .orElseGet(() -> ValidationLoss.measure(
                        model.network(), model.device(), part.text(), maxLength, rows, progress));
    }

    /** The first tokens of a stream. */
    private record Beginning(TokenStream whole, long size) implements TokenStream {
        @Override
        public void read(long from, int[] into, int offset, int length) {
            whole.read(from, into, offset, length);
        }

        @Override
        public long documents() {
            return whole.documents();
        }

        @Override
        public long documentStart(long index) {
            return Math.min(size, whole.documentStart(index));
        }

        @Override
        public long textBytes() {
            return whole.textBytes();
        }

        @Override
        public int vocabularySize() {
            return whole.vocabularySize();
        }

        @Override
        public String origin() {
            return whole.origin();
        }
    }
}
