package quern.train;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import quern.data.FillInTheMiddle;
import quern.data.SpecialToken;
import quern.data.StreamingDecoder;
import quern.data.Tokenizer;
import quern.models.EncoderDecoderConfig;
import quern.models.GenerationConfig;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

/**
 * Goes on with a text, or, where the model has an encoder, answers one: prompt in, text out, piece by piece as it is made.
 * Pieces are whole characters; the end-of-text token and a stop string, with what follows it, are left out of the text.
 *
 * <pre>{@code
 * ModelFolder folder = ModelFolder.find(Path.of("runs/tales"));
 * try (LanguageModel model = folder.model(DType.FP32, Device.CPU)) {
 *     TextGenerator generator =
 *             new TextGenerator(model, folder.tokenizer(model.config()), model.generationConfig());
 *     String text = generator.generate("Once", piece -> true).text();
 * }
 * }</pre>
 */
public final class TextGenerator {
    /**
     * A text that was made.
     *
     * @param text without the prompt
     * @param promptTokens tokens read
     * @param tokens tokens made, the end-of-text token included
     * @param reason why it ended
     * @param seconds from the first token read to the last one made
     */
    public record Result(String text, int promptTokens, int tokens, Generator.StopReason reason, double seconds) {
        /** Tokens made in a second. */
        public double tokensPerSecond() {
            return tokens / seconds;
        }
    }

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final GenerationConfig config;

    /** A generator with fixed settings. */
    public TextGenerator(LanguageModel model, Tokenizer tokenizer, GenerationConfig config) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.config = config;
    }

    /**
     * Goes on with a prompt.
     *
     * @param listener hears each piece of text as it is complete, also empty ones, and ends the text with false
     */
    public Result generate(String prompt, Predicate<String> listener) {
        return generate(
                EncoderDecoderConfig.of(model.config()).isPresent()
                        ? sourceTokens(prompt)
                        : ModelFolder.promptTokens(tokenizer, prompt),
                listener);
    }

    /**
     * Writes what stands between two texts, by a decoder that was trained to fill in the middle.
     *
     * @param listener as of {@link #generate(String, Predicate)}
     * @throws QuernException for a model that has an encoder, or whose tokenizer has no sentinels for it
     */
    public Result infill(String prefix, String suffix, Predicate<String> listener) {
        if (EncoderDecoderConfig.of(model.config()).isPresent()) {
            throw QuernException.badInput(
                    "--suffix: the model has an encoder, and a middle is filled in by a decoder alone; leave it out");
        }
        int[] prompt = FillInTheMiddle.prompt(tokenizer, prefix, suffix);
        return generate(Arrays.stream(prompt).asLongStream().toArray(), listener);
    }

    private Result generate(long[] ids, Predicate<String> listener) {
        Output output = new Output(listener);
        long start = System.nanoTime();
        Generator.Generated made = new Generator(model, config, this::decode)
                .generate(List.of(ids), (row, token) -> output.token((int) token))
                .getFirst();
        double seconds = (System.nanoTime() - start) / 1e9;
        output.finish();
        return new Result(output.text.toString(), ids.length, made.tokens().length, made.reason(), seconds);
    }

    /** A source as encoders read it in training: between cls_token and sep_token, or before the end-of-text token. */
    private long[] sourceTokens(String text) {
        OptionalInt first = tokenizer.special(SpecialToken.CLS_TOKEN);
        OptionalInt last = tokenizer.special(SpecialToken.SEP_TOKEN);
        boolean framed = first.isPresent() && last.isPresent();
        IntStream.Builder ids = IntStream.builder();
        if (framed) {
            ids.add(first.getAsInt());
        }
        Arrays.stream(tokenizer.encode(text)).forEach(ids::add);
        (framed ? last : tokenizer.endOfText()).ifPresent(ids::add);
        long[] source = ids.build().asLongStream().toArray();
        return source.length > 0 ? source : ModelFolder.promptTokens(tokenizer, text);
    }

    /** The same with another seed. */
    public TextGenerator withSeed(long seed) {
        Block block = Block.empty(Position.of("seed")).with("seed", seed);
        return new TextGenerator(model, tokenizer, config.with(block));
    }

    /** Tokens of a text as the model would read it. */
    public int tokens(String text) {
        return tokenizer.encode(text).length;
    }

    private String decode(long[] tokens) {
        return tokenizer.decode(Arrays.stream(tokens).mapToInt(t -> (int) t).toArray());
    }

    /** Text on its way to the listener; what may be the beginning of a stop string waits. */
    private final class Output {
        private final Predicate<String> listener;
        private final StreamingDecoder decoder = tokenizer.streamingDecoder();
        private final StringBuilder waiting = new StringBuilder();
        private final StringBuilder text = new StringBuilder();
        private boolean stopped;

        Output(Predicate<String> listener) {
            this.listener = listener;
        }

        boolean token(int id) {
            return config.eosTokenId().contains(id) || add(decoder.push(id), false);
        }

        void finish() {
            add(decoder.finish(), true);
        }

        private boolean add(String piece, boolean last) {
            if (stopped) {
                return true;
            }
            waiting.append(piece);
            int stop = firstStop();
            stopped = stop >= 0;
            int ready = stopped ? stop : last ? waiting.length() : waiting.length() - possibleStop();
            String show = waiting.substring(0, ready);
            waiting.delete(0, ready);
            text.append(show);
            return listener.test(show);
        }

        private int firstStop() {
            return config.stopStrings().stream()
                    .mapToInt(waiting::indexOf)
                    .filter(at -> at >= 0)
                    .min()
                    .orElse(-1);
        }

        /** How many characters at the end may be the beginning of a stop string. */
        private int possibleStop() {
            int longest = 0;
            for (String stop : config.stopStrings()) {
                for (int n = Math.min(stop.length() - 1, waiting.length()); n > longest; n--) {
                    if (stop.startsWith(waiting.substring(waiting.length() - n))) {
                        longest = n;
                    }
                }
            }
            return longest;
        }
    }
}
