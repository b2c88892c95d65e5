package quern.models;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import quern.nn.DecoderPositions;
import quern.nn.Flow;
import quern.nn.FusedDecoder;
import quern.nn.KeyValueCache;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Positions;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Largest;

/**
 * Adds tokens to prompts. Prompts of several lengths are padded on the left and hidden there, so a row gets the tokens it
 * would get alone. With a cache every step costs one token's work; the tokens are the same without.
 *
 * <p>A model with an encoder reads the prompt there, and what it writes stands by itself: it begins with the decoder's first
 * token, which is not among the new ones.
 *
 * <p>A text may grow past the model's context: the model then sees the newest half of it, encoded afresh, until the
 * window is full again. That holds for learned and rotary positions alike. (For rows of several lengths the window moves
 * when the longest is full.) A prompt longer than the context is bad input.
 */
public final class Generator {
    /** Turns a row's new tokens into text, for stop strings. */
    @FunctionalInterface
    public interface Decoder {
        /** The text of these tokens. */
        String decode(long[] tokens);
    }

    /** Hears every new token as it is chosen. */
    @FunctionalInterface
    public interface Listener {
        /** A token of the row; false ends generation of all rows. */
        boolean token(int row, long token);
    }

    /** Why a row ended. */
    public enum StopReason {
        /** An end-of-text token, which is the last of the row. */
        EOS,
        /** A stop string stands in its text. */
        STOP_STRING,
        /** It has as many new tokens as it may. */
        MAX_NEW_TOKENS,
        /** The listener had enough. */
        CANCELLED
    }

    /** The new tokens of one row. */
    public record Generated(long[] tokens, StopReason reason) {
        /** Whether tokens and reason are the same. */
        @Override
        public boolean equals(Object other) {
            return other instanceof Generated g && Arrays.equals(tokens, g.tokens) && reason == g.reason;
        }

        @Override
        public int hashCode() {
            return 31 * Arrays.hashCode(tokens) + reason.hashCode();
        }

        @Override
        public String toString() {
            return Arrays.toString(tokens) + " " + reason;
        }
    }

    private final LanguageModel model;
    private final GenerationConfig config;
    private final List<LogitsProcessor> processors;
    private final Decoder decoder;

    /** A generator; {@code decoder} may be null when there are no stop strings. */
    public Generator(LanguageModel model, GenerationConfig config, Decoder decoder) {
        this(model, config, decoder, new LogitsProcessor[0]);
    }

    /** As above; the logits go through {@code first} before the processors that the settings ask for. */
    public Generator(LanguageModel model, GenerationConfig config, Decoder decoder, LogitsProcessor... first) {
        if (decoder == null && !config.stopStrings().isEmpty()) {
            throw new IllegalArgumentException("stop strings need a decoder");
        }
        if (model.spec().task() != Task.CAUSAL_LM && model.spec().task() != Task.SEQ2SEQ_LM) {
            throw QuernException.badInput(
                    "the model is a %s, which writes no text; generation needs a causal or encoder-decoder language model",
                    model.spec().architecture().name());
        }
        this.model = model;
        this.config = config;
        this.processors = Stream.concat(Stream.of(first), LogitsProcessor.of(config).stream())
                .toList();
        this.decoder = decoder;
    }

    /** The new tokens of each prompt. */
    public List<Generated> generate(List<long[]> prompts) {
        return generate(prompts, (row, token) -> true);
    }

    /**
     * The new tokens of each prompt, told to {@code listener} one by one.
     *
     * @param prompts token ids, at least one each
     */
    public List<Generated> generate(List<long[]> prompts, Listener listener) {
        check(prompts);
        return new Run(prompts, listener).run();
    }

    private void check(List<long[]> prompts) {
        int context = model.config().contextLength();
        for (int row = 0; row < prompts.size(); row++) {
            long[] prompt = prompts.get(row);
            if (prompt.length == 0) {
                throw QuernException.badInput(
                        "prompt %d has no tokens; give some text, or a tokenizer with a beginning-of-text token",
                        row + 1);
            }
            if (prompt.length > context) {
                throw QuernException.badInput(
                        "prompt %d has %d tokens, but the model was made for %d positions; shorten it",
                        row + 1, prompt.length, context);
            }
            for (long id : prompt) {
                if (id < 0 || id >= model.config().vocabSize()) {
                    throw QuernException.badInput(
                            "prompt %d has token %d, but the model knows 0 to %d; use the model's own tokenizer",
                            row + 1, id, model.config().vocabSize() - 1);
                }
            }
        }
    }

    /** One call's state: columns of tokens for all rows, and the part of them that the model sees. */
    private final class Run {
        private final Listener listener;
        private final int rows;
        private final int promptLength;
        private final boolean padded;
        private final int[] firsts;
        private final long[][] tokens;
        private final StopReason[] reasons;
        private final int[] lengths;
        /** What a decoder beside an encoder reads; {@code null} for other models, whose prompts are in the columns. */
        private final EncodedSource source;

        private final RandomStreams streams = new RandomStreams(config.seed());
        private int length;
        private int windowStart;
        private KeyValueCache cache;
        private final Optional<FusedDecoder> fused;

        Run(List<long[]> given, Listener listener) {
            this.listener = listener;
            List<long[]> prompts = given;
            Optional<EncoderDecoderConfig> encoderDecoder = EncoderDecoderConfig.of(model.config());
            if (encoderDecoder.isPresent()) {
                source = new EncodedSource(model, given);
                prompts = Collections.nCopies(
                        given.size(), new long[] {encoderDecoder.get().decoderStart()});
            } else {
                source = null;
            }
            rows = prompts.size();
            fused = config.useCache() && source == null ? FusedDecoder.of(model.network(), rows) : Optional.empty();
            promptLength = prompts.stream().mapToInt(p -> p.length).max().orElse(0);
            padded = prompts.stream().anyMatch(p -> p.length < promptLength);
            length = promptLength;
            firsts = new int[rows];
            tokens = new long[rows][promptLength + config.maxNewTokens()];
            reasons = new StopReason[rows];
            lengths = new int[rows];
            for (int row = 0; row < rows; row++) {
                long[] prompt = prompts.get(row);
                firsts[row] = promptLength - prompt.length;
                // Padding repeats the row's first token, so it changes nothing for a repetition penalty.
                Arrays.fill(tokens[row], 0, firsts[row], prompt[0]);
                System.arraycopy(prompt, 0, tokens[row], firsts[row], prompt.length);
            }
        }

        List<Generated> run() {
            try {
                for (int step = 0; step < config.maxNewTokens() && !finished(); step++) {
                    long[] next;
                    try (Scope scope = Scope.open()) {
                        next = next(step);
                    }
                    if (!append(next)) {
                        break;
                    }
                }
            } finally {
                if (cache != null) {
                    cache.close();
                }
                if (source != null) {
                    source.close();
                }
            }
            List<Generated> result = new ArrayList<>();
            for (int row = 0; row < rows; row++) {
                StopReason reason = reasons[row] == null ? StopReason.MAX_NEW_TOKENS : reasons[row];
                result.add(new Generated(generated(row), reason));
            }
            return result;
        }

        private boolean finished() {
            return Arrays.stream(reasons).noneMatch(r -> r == null);
        }

        private long[] generated(int row) {
            return Arrays.copyOfRange(tokens[row], promptLength, promptLength + lengths[row]);
        }

        /** The next token of each row. */
        private long[] next(int step) {
            slide();
            if (cache != null && fused.isPresent() && takesFusedStep()) {
                long[] newest = new long[rows];
                int[] hidden = new int[rows];
                for (int row = 0; row < rows; row++) {
                    newest[row] = tokens[row][length - 1];
                    hidden[row] = Math.max(0, firsts[row] - windowStart);
                }
                float[] logits_BV = fused.get().step(newest, hidden, cache);
                return processors.isEmpty() && !config.doSample()
                        ? mostLikely(logits_BV)
                        : choose(Tensor.of(logits_BV, rows, logits_BV.length / rows), step);
            }
            return choose(logits(), step);
        }

        private boolean takesFusedStep() {
            return length - windowStart - cache.length() == 1 && fused.get().continues(cache);
        }

        /** The first of the largest of each row. */
        private long[] mostLikely(float[] logits_BV) {
            int width = logits_BV.length / rows;
            long[] best = new long[rows];
            for (int row = 0; row < rows; row++) {
                best[row] = Largest.first(logits_BV, row * width, width);
            }
            return best;
        }

        /** Moves the window when it is full, and drops a cache that doesn't serve what is seen now. */
        private void slide() {
            int context = model.config().contextLength();
            if (length - windowStart > context) {
                windowStart = length - Math.max(1, context / 2);
                if (cache != null) {
                    cache.close();
                    cache = null;
                }
            }
            if (cache != null && !keepsCache(cache.length(), length - windowStart)) {
                cache.close();
                cache = null;
            }
        }

        /** The logits [B, V] after the last column. */
        private Tensor logits() {
            Pass pass = Pass.evaluation().withLastLogitsOnly();
            int from = windowStart;
            if (config.useCache()) {
                if (cache == null) {
                    cache = new KeyValueCache();
                }
                from += (int) cache.length();
                pass.withCache(cache);
            }
            Tensor columns = columns(from).to(model.device());
            if (source != null) {
                Flow flow = new Flow().put(DecoderPositions.INPUT, columns);
                source.put(flow);
                return last(source.decoder(), flow, pass);
            }
            Flow flow = new Flow().put("input_ids", columns);
            if (padded && windowStart < Arrays.stream(firsts).max().orElse(0)) {
                flow.put("attention_mask", mask().to(model.device()));
            }
            if (cacheLength() == 0 && readsPrefixes()) {
                flow.put(Positions.PREFIX_LENGTHS, prompts().to(model.device()));
            }
            return last(model.network(), flow, pass);
        }

        private long cacheLength() {
            return cache == null ? 0 : cache.length();
        }

        private boolean readsPrefixes() {
            return model.network().segments().stream()
                    .anyMatch(s -> s instanceof Positions positions && positions.readsPrefixes());
        }

        /** The tokens of each row's prompt that are still in the window. */
        private Tensor prompts() {
            long[] seen = new long[rows];
            for (int row = 0; row < rows; row++) {
                seen[row] = Math.max(0, promptLength - Math.max(windowStart, firsts[row]));
            }
            return Tensor.of(seen, rows);
        }

        private static Tensor last(Network network, Flow flow, Pass pass) {
            return network.infer(flow, pass).get("logits").select(1, 0).to(DType.FP32);
        }

        private boolean keepsCache(long before, long now) {
            return model.network().segments().stream()
                    .allMatch(s -> !(s instanceof Positions positions) || positions.keepsCache(before, now));
        }

        private Tensor columns(int from) {
            int width = length - from;
            long[] flat = new long[rows * width];
            for (int row = 0; row < rows; row++) {
                System.arraycopy(tokens[row], from, flat, row * width, width);
            }
            return Tensor.of(flat, rows, width);
        }

        private Tensor mask() {
            int width = length - windowStart;
            long[] flat = new long[rows * width];
            for (int row = 0; row < rows; row++) {
                Arrays.fill(flat, row * width + Math.max(0, firsts[row] - windowStart), (row + 1) * width, 1);
            }
            return Tensor.of(flat, rows, width);
        }

        private long[] choose(Tensor logits_BV, int step) {
            Tensor scores = logits_BV;
            if (!processors.isEmpty()) {
                Tensor ids = columns(0).to(model.device());
                for (LogitsProcessor p : processors) {
                    scores = p.apply(ids, scores);
                }
            }
            if (!config.doSample()) {
                return scores.argmax(-1).toLongs();
            }
            Tensor probabilities = Functional.softmax(scores.to(Device.CPU), -1);
            long[] next = new long[rows];
            for (int row = 0; row < rows; row++) {
                RandomStream stream = new RandomStream(streams.seed("sample", row, step));
                next[row] = probabilities.select(0, row).multinomial(1, stream).toLongs()[0];
            }
            return next;
        }

        /** Adds a column; false when the listener had enough. */
        private boolean append(long[] next) {
            boolean goOn = true;
            for (int row = 0; row < rows; row++) {
                tokens[row][length] = next[row];
                if (reasons[row] != null) {
                    continue;
                }
                lengths[row]++;
                if (config.eosTokenId().contains((int) next[row])) {
                    reasons[row] = StopReason.EOS;
                }
                goOn &= listener.token(row, next[row]);
                if (reasons[row] == null && stops(row)) {
                    reasons[row] = StopReason.STOP_STRING;
                }
            }
            length++;
            if (!goOn) {
                for (int row = 0; row < rows; row++) {
                    reasons[row] = reasons[row] == null ? StopReason.CANCELLED : reasons[row];
                }
            }
            return goOn;
        }

        private boolean stops(int row) {
            if (config.stopStrings().isEmpty()) {
                return false;
            }
            long[] all = Arrays.copyOfRange(tokens[row], promptLength, promptLength + lengths[row]);
            String text = decoder.decode(all);
            return config.stopStrings().stream().anyMatch(text::contains);
        }
    }
}
