package quern.data.augment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.data.TooLong;
import quern.data.internal.ArrayTokenStream;
import quern.data.internal.Mix;

/**
 * Batches of a text that is changed otherwise in every epoch. The text of an epoch is made whole when its first batch is asked
 * for: a function of the plain text, the settings, the seed and the epoch. An epoch has as many batches as the plain text
 * has; of a longer one some are left out, of a shorter one some come twice. Where batches keep their places, batch r of every
 * epoch is the same documents, otherwise changed. A document that has less than two tokens, or would then have, stays as it is.
 */
final class AugmentedBatches implements BatchSource {
    /** Two epochs of so many tokens are held at once: 400 MB. */
    static final long MOST_TOKENS = 50_000_000;

    private static final int EPOCHS_KEPT = 2;
    private static final int DOCUMENTS_AT_ONCE = 1024;
    private static final int LEAST_TOKENS = 2;

    private final List<AugmentedText.Step> steps;
    private final List<Augmentation.Rewriting> rewritings;
    private final Objective.Input input;
    private final Function<Objective.Input, BatchSource> arrange;
    private final boolean keepsPlaces;
    private final long batchesPerEpoch;
    private final int[] separator;
    private final List<String> notices;
    private final Optional<TooLong> tooLong;
    private final Map<Long, BatchSource> epochs = new LinkedHashMap<>(4, 0.75f, true);

    AugmentedBatches(
            List<AugmentedText.Step> steps,
            Objective.Input input,
            Function<Objective.Input, BatchSource> arrange,
            boolean keepsPlaces) {
        this.keepsPlaces = keepsPlaces;
        this.steps = steps;
        this.input = input;
        this.arrange = arrange;
        BatchSource plain = arrange.apply(input);
        this.batchesPerEpoch = plain.batchesPerEpoch();
        Tokenizer tokenizer = input.tokenizer();
        this.separator = input.data()
                .documentSeparator()
                .map(tokenizer::encode)
                .orElseGet(() -> tokenizer.endOfText().stream().toArray());
        this.rewritings = steps.stream()
                .map(step -> step.technique().rewriting(step.config()))
                .toList();
        long[][] counts = new long[steps.size()][2];
        BatchSource first = arrange.apply(withTokens(changed(0, counts)));
        epochs.put(0L, first);
        this.tooLong = first.tooLong();
        List<String> all = new ArrayList<>(first.notices());
        for (int i = 0; i < counts.length; i++) {
            all.add("augment: %s changed %.2f%% of %,d units in the first epoch"
                    .formatted(
                            steps.get(i).technique().id(),
                            100.0 * counts[i][1] / Math.max(1, counts[i][0]),
                            counts[i][0]));
        }
        this.notices = List.copyOf(all);
    }

    @Override
    public long batchesPerEpoch() {
        return batchesPerEpoch;
    }

    @Override
    public List<String> notices() {
        return notices;
    }

    /** Of the first epoch. */
    @Override
    public Optional<TooLong> tooLong() {
        return tooLong;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch;
        BatchSource source = epoch(epoch);
        long own = source.batchesPerEpoch();
        if (keepsPlaces) {
            if (own != batchesPerEpoch) {
                throw new IllegalStateException(
                        "%d rows of the changed text, %d of the plain one".formatted(own, batchesPerEpoch));
            }
            return source.batch(globalBatchIndex % own);
        }
        return source.batch(epoch * own + globalBatchIndex % batchesPerEpoch % own);
    }

    private synchronized BatchSource epoch(long epoch) {
        BatchSource source = epochs.get(epoch);
        if (source == null) {
            source = arrange.apply(withTokens(changed(epoch, new long[steps.size()][2])));
            epochs.put(epoch, source);
            if (epochs.size() > EPOCHS_KEPT) {
                epochs.remove(epochs.keySet().iterator().next());
            }
        }
        return source;
    }

    private Objective.Input withTokens(TokenStream tokens) {
        return new Objective.Input(
                tokens, input.tokenizer(), input.data(), input.rowsPerBatch(), input.seed(), input.lanes());
    }

    /** The text of an epoch; adds to {@code counts} for each step what might have been changed and what was. */
    private TokenStream changed(long epoch, long[][] counts) {
        TokenStream plain = input.tokens();
        int documents = Math.toIntExact(plain.documents());
        long[] starts = new long[documents];
        int[] all = new int[Math.toIntExact(plain.size() + plain.size() / 8 + 16)];
        int size = 0;
        for (int from = 0; from < documents; from += DOCUMENTS_AT_ONCE) {
            int to = Math.min(documents, from + DOCUMENTS_AT_ONCE);
            List<int[]> ids = new ArrayList<>(to - from);
            List<String> texts = new ArrayList<>(to - from);
            for (int i = from; i < to; i++) {
                int[] document = new int[Math.toIntExact(plain.documentStart(i + 1L) - plain.documentStart(i))];
                plain.read(plain.documentStart(i), document, 0, document.length);
                ids.add(document);
                texts.add(changed(bare(document), Mix.hash(Mix.hash(input.seed(), epoch), i), counts));
            }
            List<int[]> encoded = input.tokenizer()
                    .encodeAll(
                            texts.stream().map(text -> text == null ? "" : text).toList());
            for (int i = from; i < to; i++) {
                int[] before = ids.get(i - from);
                int[] after = encoded.get(i - from);
                boolean same = after.length < LEAST_TOKENS || bare(before).length < LEAST_TOKENS;
                int[] tail = same || isBare(before) ? new int[0] : separator;
                after = same ? before : after;
                starts[i] = size;
                int more = after.length + tail.length;
                if (size + more > all.length) {
                    all = Arrays.copyOf(all, Math.addExact(size + more, all.length / 2));
                }
                System.arraycopy(after, 0, all, size, after.length);
                System.arraycopy(tail, 0, all, size + after.length, tail.length);
                size += more;
            }
        }
        return new ArrayTokenStream(
                plain.origin(), Arrays.copyOf(all, size), starts, null, plain.textBytes(), plain.vocabularySize());
    }

    /** The changed text; null where nothing was changed. */
    private String changed(int[] document, long key, long[][] counts) {
        String before = input.tokenizer().decode(document);
        String text = before;
        for (int i = 0; i < steps.size(); i++) {
            Augmentation.Change change = rewritings
                    .get(i)
                    .apply(text, Mix.hash(Mix.hash(key, i), steps.get(i).seed()));
            counts[i][0] += change.units();
            counts[i][1] += change.changed();
            text = change.text();
        }
        return text.equals(before) ? null : text;
    }

    private boolean isBare(int[] document) {
        int from = document.length - separator.length;
        return separator.length == 0
                || from < 0
                || !Arrays.equals(document, from, document.length, separator, 0, separator.length);
    }

    private int[] bare(int[] document) {
        return isBare(document) ? document : Arrays.copyOf(document, document.length - separator.length);
    }
}
