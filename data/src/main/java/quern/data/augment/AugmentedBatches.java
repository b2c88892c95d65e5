package quern.data.augment;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.TokenStream;
import quern.data.TooLong;
import quern.data.internal.DocumentEnd;
import quern.data.internal.EpochBatches;
import quern.data.internal.Mix;
import quern.data.internal.RemadeTokens;

/**
 * Batches of a text that is changed otherwise in every epoch. The text of an epoch is made whole when its first batch is asked
 * for: a function of the plain text, the settings, the seed and the epoch. An epoch has as many batches as the plain text
 * has. Where batches keep their places, batch r of every epoch is the same documents, otherwise changed. A document that has less
 * than two tokens, or would then have, stays as it is.
 */
final class AugmentedBatches implements BatchSource {
    private static final int DOCUMENTS_AT_ONCE = 1024;
    private static final int LEAST_TOKENS = 2;

    private final List<AugmentedText.Step> steps;
    private final List<Augmentation.Rewriting> rewritings;
    private final Objective.Input input;
    private final Function<Objective.Input, BatchSource> arrange;
    private final boolean keepsPlaces;
    private final DocumentEnd end;
    private final List<String> notices;
    private final Optional<TooLong> tooLong;
    private final EpochBatches epochs;

    AugmentedBatches(
            List<AugmentedText.Step> steps,
            Objective.Input input,
            Function<Objective.Input, BatchSource> arrange,
            boolean keepsPlaces) {
        this.keepsPlaces = keepsPlaces;
        this.steps = steps;
        this.input = input;
        this.arrange = arrange;
        this.end = DocumentEnd.of(input);
        this.rewritings = steps.stream()
                .map(step -> step.technique().rewriting(step.config()))
                .toList();
        long[][] counts = new long[steps.size()][2];
        this.epochs = new EpochBatches(
                arrange.apply(input).batchesPerEpoch(),
                epoch -> arrange.apply(withTokens(changed(epoch, epoch == 0 ? counts : new long[steps.size()][2]))));
        BatchSource first = epochs.epoch(0);
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
        return epochs.batchesPerEpoch();
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
        if (!keepsPlaces) {
            return epochs.batch(globalBatchIndex);
        }
        BatchSource source = epochs.epoch(globalBatchIndex / batchesPerEpoch());
        long own = source.batchesPerEpoch();
        if (own != batchesPerEpoch()) {
            throw new IllegalStateException(
                    "%d rows of the changed text, %d of the plain one".formatted(own, batchesPerEpoch()));
        }
        return source.batch(globalBatchIndex % own);
    }

    private Objective.Input withTokens(TokenStream tokens) {
        return new Objective.Input(
                tokens, input.tokenizer(), input.data(), input.rowsPerBatch(), input.seed(), input.lanes());
    }

    /** The text of an epoch; adds to {@code counts} for each step what might have been changed and what was. */
    private TokenStream changed(long epoch, long[][] counts) {
        TokenStream plain = input.tokens();
        int documents = Math.toIntExact(plain.documents());
        RemadeTokens all = new RemadeTokens(plain);
        for (int from = 0; from < documents; from += DOCUMENTS_AT_ONCE) {
            int to = Math.min(documents, from + DOCUMENTS_AT_ONCE);
            List<int[]> ids = new ArrayList<>(to - from);
            List<String> texts = new ArrayList<>(to - from);
            for (int i = from; i < to; i++) {
                int[] document = RemadeTokens.document(plain, i);
                ids.add(document);
                texts.add(changed(end.bare(document), Mix.hash(Mix.hash(input.seed(), epoch), i), counts));
            }
            List<int[]> encoded = input.tokenizer()
                    .encodeAll(
                            texts.stream().map(text -> text == null ? "" : text).toList());
            for (int i = from; i < to; i++) {
                int[] before = ids.get(i - from);
                int[] after = encoded.get(i - from);
                boolean same = after.length < LEAST_TOKENS || end.bare(before).length < LEAST_TOKENS;
                all.add(same ? before : after, same || !end.ends(before) ? new int[0] : end.tokens());
            }
        }
        return all.stream();
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
}
