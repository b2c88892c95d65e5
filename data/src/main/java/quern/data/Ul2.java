package quern.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import quern.data.internal.CorruptedSpans;
import quern.data.internal.Mix;
import quern.data.internal.RewrittenRows;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A mixture of denoisers (UL2, Tay et al. 2022, arXiv:2205.05131): each row is spoilt by one of several kinds of span
 * corruption, any of them as likely, and its source begins with the token of that kind's mode: {@code [R]} for short spans,
 * {@code [X]} for long ones or many, {@code [S]} for the end of the text, all of which is to be written. Otherwise as
 * {@link SpanCorruption}. The usual seven are the paper's table 1 (µ = {@code mean_noise_span_length}, r =
 * {@code noise_density}; without µ, n = 1).
 *
 * <p>Deviation: the S-denoiser takes a fixed share off the end, the paper's r = 0.25; its text also speaks of a random place.
 */
public final class Ul2 implements Objective {
    /**
     * @param denoisers the kinds
     * @param modeTokens whether a source begins with the token of its mode
     */
    public record Config(
            @Doc("The kinds of corruption, each as likely.")
            @Default(
                    "[{mode: r, noise_density: 0.15, mean_noise_span_length: 3}, {mode: r, noise_density: 0.15, mean_noise_span_length: 8}, {mode: s, noise_density: 0.25}, {mode: x, noise_density: 0.5, mean_noise_span_length: 3}, {mode: x, noise_density: 0.5, mean_noise_span_length: 8}, {mode: x, noise_density: 0.15, mean_noise_span_length: 64}, {mode: x, noise_density: 0.5, mean_noise_span_length: 64}]")
            List<Denoiser> denoisers,

            @Doc("Begin a source with the token of its mode: [R], [S] or [X].") @Default("true")
            boolean modeTokens) {
        /** Refuses an empty list. */
        public Config {
            if (denoisers.isEmpty()) {
                throw new IllegalArgumentException("denoisers: an empty list; name at least one");
            }
            denoisers = List.copyOf(denoisers);
        }
    }

    /**
     * A kind of corruption.
     *
     * @param mode what its token is
     * @param noiseDensity the share of tokens taken out
     * @param meanNoiseSpanLength how many of them are in a span on average; absent: all of them, at the end
     */
    public record Denoiser(
            @Doc("Whose token a source begins with.") Mode mode,

            @Doc("The share of tokens taken out.") @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            double noiseDensity,

            @Doc("How many of them are in a span on average; absent: all of them, at the end.") @Range(min = 1)
            Optional<Double> meanNoiseSpanLength) {
        /** Refuses spans inside a text under the mode of its end. */
        public Denoiser {
            if (mode == Mode.S && meanNoiseSpanLength.isPresent()) {
                throw new IllegalArgumentException(
                        "mean_noise_span_length: mode s takes one span off the end; leave the key out");
            }
        }
    }

    /** A kind of task. */
    public enum Mode {
        /** Regular: short spans. */
        R,
        /** Sequential: the end of the text. */
        S,
        /** Extreme: long spans, or many. */
        X;

        String token() {
            return "[" + name() + "]";
        }
    }

    @Override
    public String id() {
        return "ul2";
    }

    @Override
    public String summary() {
        return "write spans taken out of a text in several ways, told apart by a mode token (UL2)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "seq2seq_lm";
    }

    @Override
    public List<String> specialTokens() {
        return Stream.concat(
                        Stream.of("<pad>", "<|endoftext|>", Mode.R.token(), Mode.S.token(), Mode.X.token()),
                        SpanCorruption.sentinelNames())
                .toList();
    }

    /** One of the kinds, ready for rows. */
    private record Ready(int[] mode, CorruptedSpans spans) {}

    @Override
    public BatchSource source(Input input, Record config) {
        Config c = (Config) config;
        OptionalInt end = input.tokenizer().endOfText();
        int frame = (end.isPresent() ? 1 : 0) + (c.modeTokens() ? 1 : 0);
        int room = input.data().maxLength() - frame;
        if (room < 2) {
            throw QuernException.badInput(
                    "max_length: rows of %d tokens are too short to take a span out; raise it",
                    input.data().maxLength());
        }
        List<Ready> ready = new ArrayList<>();
        for (Denoiser d : c.denoisers()) {
            SpanCorruption.Config spans = new SpanCorruption.Config(
                    d.noiseDensity(), d.meanNoiseSpanLength().orElse((double) room));
            ready.add(new Ready(
                    c.modeTokens() ? new int[] {mode(d.mode(), input.tokenizer())} : new int[0],
                    SpanCorruption.spans(spans, id(), input, room)));
        }
        return new RewrittenRows(input, room, (row, key) -> {
            Ready kind = ready.get((int) Mix.below(key, -1, ready.size()));
            RewrittenRows.Pair pair = kind.spans().of(row, key);
            return new RewrittenRows.Pair(RewrittenRows.joined(kind.mode(), pair.source()), pair.target());
        });
    }

    private static int mode(Mode mode, Tokenizer tokenizer) {
        if (!tokenizer.has(mode.token())) {
            throw QuernException.badInput(
                    "objective: ul2: the tokenizer has no token %s; use a tokenizer with it, train one without special_tokens of its own, or set mode_tokens: false",
                    mode.token());
        }
        return tokenizer.id(mode.token());
    }
}
