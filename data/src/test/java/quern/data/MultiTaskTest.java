package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** Which task a batch of a mixture belongs to, and which of the task's batches it is. */
class MultiTaskTest {
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(
                    List.of(new Tales(1).text(3_000)),
                    new BpeTrainer.Config(
                            460,
                            2,
                            Stream.of(new TextInfilling(), new Ul2(), new MaskedLm())
                                    .flatMap(objective -> objective.specialTokens().stream())
                                    .distinct()
                                    .toList()))
            .tokenizer();
    private static final TokenStream TEXT = TokenStream.of("tales", new Tales(2).text(20_000), TOKENIZER);
    private static final int BATCHES = 3 * TaskMixture.CYCLE + 17;

    private static Objective.Input input(long seed) {
        return new Objective.Input(TEXT, TOKENIZER, DataConfig.tales(1).withMaxLength(32), 4, seed);
    }

    private static TaskMixture mixture(String yaml, long seed) {
        Block block = RecipeFile.load("objective.yaml", yaml, List.of());
        MultiTask.Config config = block.bind(MultiTask.Config.class);
        Objective objective = new MultiTask().configured(config);
        return (TaskMixture) objective.source(input(seed), config);
    }

    @Test
    void turnsFollowTheWeightsInEveryCycle() {
        TaskMixture mixture = mixture("""
                tasks:
                  - {objective: token_deletion, weight: 1}
                  - {objective: document_rotation, weight: 3}
                  - {objective: text_infilling, weight: 0.0001}
                """, 5);
        int[] turns = new int[3];
        for (int i = 0; i < TaskMixture.CYCLE; i++) {
            turns[mixture.task(2L * TaskMixture.CYCLE + i)]++;
        }
        assertArrayEquals(new int[] {250, 749, 1}, turns, "the least share is one turn a cycle");
        assertArrayEquals(new double[] {0.25, 0.749, 0.001}, mixture.shares(), 1e-12);
        assertEquals(
                "seq2seq_lm",
                new MultiTask()
                        .configured(config("[token_deletion, span_corruption]"))
                        .task());
    }

    private static MultiTask.Config config(String objectives) {
        StringBuilder yaml = new StringBuilder("tasks:\n");
        for (String objective : objectives.substring(1, objectives.length() - 1).split(", ")) {
            yaml.append("  - {objective: ").append(objective).append("}\n");
        }
        return RecipeFile.load("objective.yaml", yaml.toString(), List.of()).bind(MultiTask.Config.class);
    }

    @Test
    void sharesFollowSizesToThePowerOfOneOverTheTemperature() {
        assertArrayEquals(new int[] {900, 100}, TaskMixture.counts(new double[] {9, 1}));
        assertArrayEquals(new int[] {750, 250}, TaskMixture.counts(new double[] {Math.pow(9, 0.5), 1}));
        assertArrayEquals(new int[] {998, 1, 1}, TaskMixture.counts(new double[] {1e9, 1, 1}));
        // Three like tasks can't have a third of a thousand each.
        assertEquals(
                1000, Arrays.stream(TaskMixture.counts(new double[] {1, 1, 1})).sum());
        TaskMixture even = mixture("""
                weighting: proportional
                temperature: 2
                tasks: [{objective: token_deletion}, {objective: {type: ul2, mode_tokens: false}}]
                """, 5);
        assertEquals(0.5, even.shares()[0], 0.02);
    }

    @Test
    void everyTaskReadsItsBatchesInTheirOrderAndNoneTwice() {
        String yaml = """
                tasks: [{objective: token_deletion, weight: 2}, {objective: document_rotation}]
                """;
        TaskMixture mixture = mixture(yaml, 5);
        BatchSource[] alone = {
            new TokenDeletion().source(input(5), new TokenDeletion.Config(0.15)),
            new DocumentRotation().source(input(5), new DocumentRotation.Config())
        };
        long[] next = new long[2];
        for (long k = 0; k < BATCHES; k++) {
            int task = mixture.task(k);
            if (k % 61 == 0) {
                Batch expected = alone[task].batch(next[task]);
                Batch found = mixture.batch(k);
                assertArrayEquals(expected.inputIds(), found.inputIds(), "batch " + k);
                assertArrayEquals(expected.labels(), found.labels(), "batch " + k);
            }
            next[task]++;
        }
        Set<Integer> firstTasks = new HashSet<>();
        List<Integer> order = new ArrayList<>();
        List<Integer> other = new ArrayList<>();
        TaskMixture reseeded = mixture(yaml, 6);
        for (int k = 0; k < 30; k++) {
            order.add(mixture.task(k));
            other.add(reseeded.task(k));
            firstTasks.add(mixture.task(k));
        }
        assertEquals(2, firstTasks.size(), "tasks come mixed, not one after another");
        assertTrue(!order.equals(other), "another seed, another order");
    }

    @Test
    void evaluationReadsAnEpochOfEach() {
        MultiTask.Config config = config("[token_deletion, document_rotation]");
        Objective objective = new MultiTask().configured(config);
        BatchSource held = objective.evaluation(input(0), config).orElseThrow();
        BatchSource first = new TokenDeletion().source(input(0), new TokenDeletion.Config(0.15));
        assertEquals(2 * first.batchesPerEpoch(), held.batchesPerEpoch());
        assertArrayEquals(first.batch(1).inputIds(), held.batch(1).inputIds());
        BatchSource second = new DocumentRotation().source(input(0), new DocumentRotation.Config());
        assertArrayEquals(
                second.batch(0).inputIds(), held.batch(first.batchesPerEpoch()).inputIds());
    }

    @Test
    void whatDoesNotFitIsRefused() {
        refused("tasks: [{objective: mlm}]", "two or more are needed");
        refused("tasks: [{objective: mlm}, {objective: causal_lm}]", "choose tasks for the same kind of model");
        refused("tasks: [{objective: mlm}, {objective: multi_task}]", "can't be multi_task");
        refused("tasks: [{objective: mlm}, {objective: nlm}]", "unknown objective 'nlm'");
        refused(
                "{weighting: proportional, tasks: [{objective: mlm, weight: 2}, {objective: mlm}]}",
                "weight is for weighting: fixed");
        refused("{temperature: 2, tasks: [{objective: mlm}, {objective: mlm}]}", "is for weighting: proportional");
        refused(
                "{uncertainty_learning_rate: 0.1, tasks: [{objective: mlm}, {objective: mlm}]}",
                "is for weighting: uncertainty");
        refused(
                "tasks: [{objective: token_deletion}, {objective: ul2, data: {source: tales, max_length: 3}}]",
                "is the same for all tasks");
    }

    private static void refused(String yaml, String part) {
        QuernException e = assertThrows(QuernException.class, () -> mixture(yaml, 1));
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
