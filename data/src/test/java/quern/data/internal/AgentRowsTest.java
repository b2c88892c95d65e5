package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import quern.data.AgentTokens;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.BpeTrainer;
import quern.data.DataConfig;
import quern.data.GridWorld;
import quern.data.Objective;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.recipe.QuernException;

/** An agent's episodes: that they reach their squares, and what of their rows is predicted. */
class AgentRowsTest {
    private static final int EPISODES = 200;
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(
                    () -> new GridWorld(1).iterator(50),
                    new BpeTrainer.Config(340, 2, new AgentTokens().specialTokens()))
            .tokenizer();

    private static BatchSource source(List<String> texts, int maxLength) {
        List<Integer> all = new ArrayList<>();
        long[] starts = new long[texts.size()];
        for (int i = 0; i < starts.length; i++) {
            starts[i] = all.size();
            Arrays.stream(TOKENIZER.encode(texts.get(i))).forEach(all::add);
        }
        int[] tokens = all.stream().mapToInt(i -> i).toArray();
        TokenStream stream = TokenStream.of("test", tokens, starts, 1, TOKENIZER.vocabularySize());
        return new AgentTokens()
                .source(
                        new Objective.Input(
                                stream, TOKENIZER, DataConfig.files("x").withMaxLength(maxLength), 8, 3),
                        new AgentTokens.Config());
    }

    private static List<String> episodes() {
        List<String> all = new ArrayList<>();
        new GridWorld(4).iterator(EPISODES).forEachRemaining(all::add);
        return all;
    }

    @Test
    void episodesReachTheirSquareAndNoOther() {
        int longest = 0;
        for (String text : episodes()) {
            GridEpisode episode = GridEpisode.parse(text).orElseThrow();
            assertEquals(text, episode.text());
            List<int[]> grids = episode.grids();
            for (int i = 0; i < grids.size(); i++) {
                int target = episode.target().ordinal();
                boolean there = Arrays.stream(grids.get(i)).noneMatch(cell -> cell == target);
                assertEquals(i == grids.size() - 1, there, text);
            }
            long squares = Arrays.stream(grids.getLast())
                    .filter(cell -> cell >= GridEpisode.Cell.RED.ordinal())
                    .count();
            assertEquals(2, squares, "the other two are still there");
            longest = Math.max(longest, episode.actions().size());
        }
        assertTrue(longest > 4, "some ways are long");
        assertEquals(Optional.empty(), GridEpisode.parse("go to the red square | ....,.... | up"));
        assertEquals(Optional.empty(), GridEpisode.parse("go to the shop"));
    }

    @Test
    void patchesOfAnImageAreItsCells() {
        for (long key = 0; key < 50; key++) {
            int[] cells = GridEpisode.of(1, key).cells();
            assertArrayEquals(cells, GridEpisode.patches(GridEpisode.paint(cells, key)));
        }
    }

    @Test
    void aRowHoldsTextImagesAndActionsAndPredictsTextAndActions() {
        List<String> texts = episodes();
        BatchSource source = source(texts, 256);
        int rows = 0;
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            assertArrayEquals(batch.inputIds(), source.batch(k).inputIds());
            for (int row = 0; row < batch.rows(); row++, rows++) {
                int from = row * batch.columns();
                int[] ids = Arrays.copyOfRange(batch.inputIds(), from, from + batch.lengths()[row]);
                String shown = TOKENIZER.decode(ids);
                int image = shown.indexOf("<|image_");
                List<GridEpisode.Action> actions = new ArrayList<>();
                StringBuilder predicted = new StringBuilder();
                for (int i = 0; i < ids.length; i++) {
                    int label = batch.labels()[from + i];
                    if (label != Batch.NOT_COUNTED) {
                        predicted.append(TOKENIZER.decode(new int[] {label}));
                    }
                    for (GridEpisode.Action action : GridEpisode.Action.values()) {
                        if (ids[i] == TOKENIZER.id(AgentTokens.action(action.word()))) {
                            assertEquals(TOKENIZER.id(AgentTokens.SEPARATOR), ids[i - 1]);
                            actions.add(action);
                        }
                    }
                }
                String instruction = shown.substring(0, image);
                GridEpisode episode = texts.stream()
                        .map(text -> GridEpisode.parse(text).orElseThrow())
                        .filter(e -> e.instruction().equals(instruction)
                                && e.actions().equals(actions))
                        .filter(e -> shown.startsWith(firstImage(e), image))
                        .findFirst()
                        .orElseThrow();
                StringBuilder expected = new StringBuilder(instruction.substring(
                        TOKENIZER.decode(new int[] {ids[0]}).length()));
                episode.actions().forEach(action -> expected.append(AgentTokens.action(action.word())));
                assertEquals(expected + "<|endoftext|>", predicted.toString());
                assertEquals(18 * actions.size() + TOKENIZER.encode(instruction).length, ids.length);
            }
        }
        assertEquals(EPISODES, rows);
    }

    private static String firstImage(GridEpisode episode) {
        StringBuilder image = new StringBuilder();
        Arrays.stream(episode.cells())
                .forEach(cell -> image.append("<|image_").append(cell).append("|>"));
        return image.toString();
    }

    @Test
    void whatDoesNotFitIsRefused() {
        refused(() -> source(List.of("the miller sang"), 256), "is no episode of a grid world");
        refused(() -> source(episodes(), 30), "more than the 30 that a row has room for; raise max_length");
        Tokenizer bare = new BpeTrainer()
                .train(List.of("go to"), new BpeTrainer.Config(260, 2, List.of("<|endoftext|>")))
                .tokenizer();
        TokenStream stream = TokenStream.of("test", "go to", bare);
        refused(
                () -> new AgentTokens()
                        .source(
                                new Objective.Input(stream, bare, DataConfig.files("x"), 8, 3),
                                new AgentTokens.Config()),
                "the tokenizer has no token <|separator|>");
    }

    private static void refused(Runnable run, String part) {
        QuernException e = assertThrows(QuernException.class, run::run);
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
