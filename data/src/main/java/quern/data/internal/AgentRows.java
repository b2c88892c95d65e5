package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.TokenStream;
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
    }

    @Override
    public long batchesPerEpoch() {
        return (tokens.documents() + input.rowsPerBatch() - 1) / input.rowsPerBatch();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
        int count = (int) Math.min(input.rowsPerBatch(), tokens.documents() - start);
        Permutation order = new Permutation(tokens.documents(), Mix.hash(input.seed(), 2 * epoch));
        int[][] rows = new int[count][];
        for (int row = 0; row < count; row++) {
            rows[row] = sequence(episode(order.at(start + row)), Mix.hash(Mix.hash(input.seed(), ~epoch), start + row));
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
        return new Batch(count, columns, ids, labels, lengths, FramedRows.maskWherePadded(lengths, columns));
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
        int[] row = all.build().toArray();
        if (row.length - 1 > input.data().maxLength()) {
            throw QuernException.badInput(
                    "max_length: an episode of %d actions has %d tokens, more than a row's %d; raise it",
                    episode.actions().size(), row.length - 1, input.data().maxLength());
        }
        return row;
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
