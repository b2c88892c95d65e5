package quern.data.internal;

import java.util.OptionalInt;
import java.util.stream.IntStream;
import quern.data.SpanCorruption;

/** Takes spans out of a text; a function of the text and the key alone. */
public final class CorruptedSpans implements RewrittenRows.Rewriting {
    private final SpanCorruption.Config config;
    private final int[] sentinels;
    private final OptionalInt end;

    /** Spans of these shares, each replaced by the next of {@code sentinels}; {@code end} ends source and target. */
    public CorruptedSpans(SpanCorruption.Config config, int[] sentinels, OptionalInt end) {
        this.config = config;
        this.sentinels = sentinels.clone();
        this.end = end;
    }

    /** Tokens that a text of this length loses. */
    private int noise(int length) {
        return Math.clamp(Math.round(length * config.noiseDensity()), 1, length - 1);
    }

    /** Spans that a text of this length, two or more tokens, loses. */
    public int spans(int length) {
        int noise = noise(length);
        long spans = Math.max(1, Math.round(noise / config.meanNoiseSpanLength()));
        return (int) Math.min(spans, Math.min(noise, length - noise));
    }

    @Override
    public RewrittenRows.Pair of(int[] row, long key) {
        int[] last = end.isPresent() ? new int[] {end.getAsInt()} : new int[0];
        int[] text = end.isPresent() ? RewrittenRows.without(row, end.getAsInt()) : row;
        if (text.length < 2) {
            return new RewrittenRows.Pair(RewrittenRows.joined(text, last), last);
        }
        int noise = noise(text.length);
        int spans = spans(text.length);
        int[] kept = cut(text.length - noise, spans, Mix.hash(key, 0));
        int[] lost = cut(noise, spans, Mix.hash(key, 1));
        IntStream.Builder source = IntStream.builder();
        IntStream.Builder target = IntStream.builder();
        int at = 0;
        for (int i = 0; i < spans; i++) {
            for (int n = 0; n < kept[i]; n++) {
                source.add(text[at++]);
            }
            source.add(sentinels[i]);
            target.add(sentinels[i]);
            for (int n = 0; n < lost[i]; n++) {
                target.add(text[at++]);
            }
        }
        return new RewrittenRows.Pair(
                RewrittenRows.joined(source.build().toArray(), last),
                RewrittenRows.joined(target.build().toArray(), last));
    }

    /** Lengths of {@code parts} pieces, one or more each, of {@code length} items; every cutting is as likely. */
    static int[] cut(int length, int parts, long key) {
        int[] lengths = new int[parts];
        int part = 0;
        int from = 0;
        for (int i = 1; i < length && part < parts - 1; i++) {
            // Of the places that are left, each cut that is still to make may fall on any.
            if (Mix.below(key, i, length - i) < parts - 1 - part) {
                lengths[part++] = i - from;
                from = i;
            }
        }
        lengths[part] = length - from;
        return lengths;
    }
}
