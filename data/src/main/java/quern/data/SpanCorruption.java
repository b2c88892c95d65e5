package quern.data;

import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import quern.data.internal.CorruptedSpans;
import quern.data.internal.RewrittenRows;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * T5's denoising (Raffel et al. 2020, arXiv:1910.10683, section 3.1.4): spans of a row are taken out, each leaving a
 * sentinel token of its own, {@code <extra_id_0>} first; the decoder is to write every sentinel and, after it, what was
 * there. Rows begin with text that stays and end with a span. Source and target end with the tokenizer's end-of-text token
 * where it has one. With {@code packing} rows are windows over the concatenated documents, otherwise documents.
 */
public final class SpanCorruption implements Objective {
    private static final int SENTINELS = 100;

    /**
     * @param noiseDensity the share of tokens taken out
     * @param meanNoiseSpanLength how many of them are in a span on average
     */
    public record Config(
            @Doc("The share of tokens taken out.")
            @Default("0.15")
            @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            double noiseDensity,

            @Doc("How many of them are in a span on average.") @Default("3") @Range(min = 1)
            double meanNoiseSpanLength) {}

    @Override
    public String id() {
        return "span_corruption";
    }

    @Override
    public String summary() {
        return "write the spans taken out of a text (T5)";
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
        return Stream.concat(Stream.of("<pad>", "<|endoftext|>"), sentinelNames())
                .toList();
    }

    /** The names of as many sentinels as T5 has. */
    static Stream<String> sentinelNames() {
        return IntStream.range(0, SENTINELS).mapToObj(SpanCorruption::sentinel);
    }

    /** The usual name of a sentinel. */
    static String sentinel(int number) {
        return "<extra_id_" + number + ">";
    }

    @Override
    public BatchSource source(Input input, Record config) {
        Config c = (Config) config;
        OptionalInt end = input.tokenizer().endOfText();
        // A span of one token is replaced by one, so the source is no longer than the text but for its end.
        int room = input.data().maxLength() - (end.isPresent() ? 1 : 0);
        if (room < 2) {
            throw QuernException.badInput(
                    "max_length: rows of %d tokens are too short to take a span out; raise it",
                    input.data().maxLength());
        }
        return new RewrittenRows(input, room, spans(c, id(), input, room));
    }

    /** Spans of rows of {@code room} tokens; bad input when the tokenizer has too few sentinels for them. */
    static CorruptedSpans spans(Config config, String objective, Input input, int room) {
        int[] sentinels = sentinels(input.tokenizer());
        CorruptedSpans spans =
                new CorruptedSpans(config, sentinels, input.tokenizer().endOfText());
        if (spans.spans(room) > sentinels.length) {
            throw QuernException.badInput(
                    "objective: %s: rows of %d tokens lose %d spans, but the tokenizer has %d sentinel tokens (<extra_id_0>, <extra_id_1>, ...); %s",
                    objective,
                    room,
                    spans.spans(room),
                    sentinels.length,
                    sentinels.length == 0
                            ? "use a tokenizer with some, or train one without special_tokens of its own"
                            : "lower max_length or noise_density");
        }
        return spans;
    }

    private static int[] sentinels(Tokenizer tokenizer) {
        return IntStream.iterate(0, i -> tokenizer.has(sentinel(i)), i -> i + 1)
                .map(i -> tokenizer.id(sentinel(i)))
                .toArray();
    }
}
