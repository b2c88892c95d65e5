package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.FittingDocuments;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.data.Permutation;
import quern.data.TokenStream;
import quern.data.TooLong;
import quern.recipe.QuernException;

/** Rows of an agent's episodes; what is not an image token is predicted. */
public final class AgentRows implements BatchSource {
    /** More tokens than any episode's text has; of a text that is none no more need be read. */
    private static final int LONGEST = 512;

    private final Objective.Input input;
    private final TokenStream tokens;
    private final int[] images;
    private final int[] actions;
    private final int separator;
    private final int end;
    private final FittingDocuments documents;

    /** With tokens for an image's patches, by code, for actions, in their order, and between the two. */
    public AgentRows(Objective.Input input, int[] images, int[] actions, int separator) {
        this.input = input;
        this.tokens = input.tokens();
        this.images = images;
        this.actions = actions;
        this.separator = separator;
        this.end = input.tokenizer().endOfText().orElseThrow();
        // A text that is no episode shows before a step is taken.
        episode(0);
        OnTooLong answer = input.data().onTooLong() == OnTooLong.DROP ? OnTooLong.DROP : OnTooLong.ERROR;
        // A row's last token is only a target.
        this.documents = new FittingDocuments(
                tokens, document -> size(episode(document)) - 1L, input.data().maxLength(), answer);
    }

    @Override
    public List<String> notices() {
        return documents.notices();
    }

    @Override
    public Optional<TooLong> tooLong() {
        return Optional.of(documents.tooLong());
    }

    @Override
    public long batchesPerEpoch() {
        return (documents.count() + input.rowsPerBatch() - 1) / input.rowsPerBatch();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
        int count = (int) Math.min(input.rowsPerBatch(), documents.count() - start);
        Permutation order = new Permutation(documents.count(), Mix.hash(input.seed(), 2 * epoch));
        int[][] rows = new int[count][];
        for (int row = 0; row < count; row++) {
            long document = documents.document(order.at(start + row));
            rows[row] = sequence(episode(document), Mix.hash(Mix.hash(input.seed(), ~epoch), start + row));
        }
        int columns = Arrays.stream(rows).mapToInt(row -> row.length - 1).max().orElse(0);
        int[] ids = new int[count * columns];
        int[] labels = MaskedTokens.noLabels(ids.length);
        int[] lengths = new int[count];
        Arrays.fill(ids, end);
        for (int row = 0; row < count; row++) {
            lengths[row] = rows[row].length - 1;
            for (int i = 0; i < lengths[row]; i++) {
                int next = rows[row][i + 1];
                ids[row * columns + i] = rows[row][i];
                if (next != separator && Arrays.stream(images).noneMatch(image -> image == next)) {
                    labels[row * columns + i] = next;
                }
            }
        }
        return new Batch(count, columns, ids, labels, lengths, Batch.maskWherePadded(lengths, columns));
    }

    /** The whole row of an episode, its last token included; {@code key} is the seed of the paint. */
    private int[] sequence(GridEpisode episode, long key) {
        IntStream.Builder all = IntStream.builder();
        Arrays.stream(input.tokenizer().encode(episode.instruction())).forEach(all::add);
        List<int[]> grids = episode.grids();
        for (int step = 0; step < episode.actions().size(); step++) {
            for (int code : GridEpisode.patches(GridEpisode.paint(grids.get(step), Mix.hash(key, step)))) {
                all.add(images[code]);
            }
            all.add(separator);
            all.add(actions[episode.actions().get(step).ordinal()]);
        }
        all.add(end);
        return all.build().toArray();
    }

    /** The tokens of {@link #sequence}. */
    private int size(GridEpisode episode) {
        int patches = GridEpisode.SIDE * GridEpisode.SIDE;
        return input.tokenizer().encode(episode.instruction()).length
                + episode.actions().size() * (patches + 2)
                + 1;
    }

    private GridEpisode episode(long document) {
        long from = tokens.documentStart(document);
        int[] text = new int[(int) Math.min(LONGEST, tokens.documentStart(document + 1) - from)];
        tokens.read(from, text, 0, text.length);
        String words = input.tokenizer()
                .decode(Arrays.stream(text)
                        .filter(id -> id != end && !input.tokenizer().isSpecial(id))
                        .toArray());
        return GridEpisode.parse(words)
                .orElseThrow(() -> QuernException.badInput(
                        "objective: agent_tokens: '%s' is no episode of a grid world; its texts are those of data: {source: grid_world}",
                        words.strip().lines().findFirst().orElse("")));
    }
}
