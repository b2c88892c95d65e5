package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.Generator.Generated;
import quern.models.Generator.StopReason;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class GeneratorTest {
    private static final List<long[]> PROMPTS =
            List.of(new long[] {3, 4, 5, 6, 7}, new long[] {8}, new long[] {9, 10, 11});

    private static GenerationConfig config(Map<String, Object> settings) {
        return TestModels.block(settings).bind(GenerationConfig.class);
    }

    private static List<Generated> generate(LanguageModel model, Map<String, Object> settings, List<long[]> prompts) {
        return new Generator(model, config(settings), Arrays::toString).generate(prompts);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void aCacheChangesNoTokenAlsoWhenTheWindowMoves(String family) {
        try (LanguageModel model = TestModels.create(family)) {
            // 32 positions: the window moves twice.
            Map<String, Object> greedy = Map.of("max_new_tokens", 60);
            Map<String, Object> plain = Map.of("max_new_tokens", 60, "use_cache", false);
            assertEquals(generate(model, plain, PROMPTS), generate(model, greedy, PROMPTS));
            Map<String, Object> sampled = Map.of("max_new_tokens", 60, "do_sample", true, "seed", 5);
            Map<String, Object> both = new HashMap<>(sampled);
            both.put("use_cache", false);
            assertEquals(generate(model, both, PROMPTS), generate(model, sampled, PROMPTS));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void aRowGetsTheTokensItWouldGetAlone(String family) {
        try (LanguageModel model = TestModels.create(family)) {
            Map<String, Object> settings = Map.of("max_new_tokens", 20, "repetition_penalty", 1.3);
            List<Generated> together = generate(model, settings, PROMPTS);
            for (int row = 0; row < PROMPTS.size(); row++) {
                assertEquals(
                        generate(model, settings, List.of(PROMPTS.get(row))).getFirst(), together.get(row));
            }
        }
    }

    @Test
    void greedyTakesTheMostLikelyToken() {
        try (LanguageModel model = TestModels.create("gpt2");
                Scope scope = Scope.open()) {
            long[] found = generate(model, Map.of("max_new_tokens", 1), List.of(PROMPTS.getFirst()))
                    .getFirst()
                    .tokens();
            Tensor logits = model.logits(Tensor.of(PROMPTS.getFirst(), 1, 5), null);
            assertArrayEquals(logits.select(1, 4).argmax(-1).toLongs(), found);
        }
    }

    @Test
    void drawingAmongOneTokenIsGreedy() {
        try (LanguageModel model = TestModels.create("llama")) {
            List<Generated> greedy = generate(model, Map.of("max_new_tokens", 20), PROMPTS);
            Map<String, Object> one = Map.of("max_new_tokens", 20, "do_sample", true, "top_k", 1);
            assertEquals(greedy, generate(model, one, PROMPTS));
            Map<String, Object> tiny = Map.of("max_new_tokens", 20, "do_sample", true, "top_k", 0, "top_p", 1e-6);
            assertEquals(greedy, generate(model, tiny, PROMPTS));
        }
    }

    @Test
    void aSeedGivesTheSameTextAndAnotherSeedAnother() {
        try (LanguageModel model = TestModels.create("llama")) {
            Map<String, Object> one = Map.of("max_new_tokens", 20, "do_sample", true, "seed", 1);
            Map<String, Object> two = Map.of("max_new_tokens", 20, "do_sample", true, "seed", 2);
            assertEquals(generate(model, one, PROMPTS), generate(model, one, PROMPTS));
            assertNotEquals(generate(model, one, PROMPTS), generate(model, two, PROMPTS));
        }
    }

    @Test
    void drawsFollowTheProbabilities() {
        try (LanguageModel model = TestModels.create("llama");
                Scope scope = Scope.open()) {
            int draws = 2000;
            List<long[]> prompts = new ArrayList<>();
            for (int i = 0; i < draws; i++) {
                prompts.add(new long[] {3, 4});
            }
            double temperature = 1.5;
            Map<String, Object> settings =
                    Map.of("max_new_tokens", 1, "do_sample", true, "top_k", 0, "temperature", temperature);
            double[] counts = new double[TestModels.VOCABULARY];
            generate(model, settings, prompts).forEach(g -> counts[(int) g.tokens()[0]]++);
            float[] logits = model.logits(Tensor.of(new long[] {3, 4}, 1, 2), null)
                    .select(1, 1)
                    .toFloats();
            double total = 0;
            for (float l : logits) {
                total += Math.exp(l / temperature);
            }
            for (int token = 0; token < counts.length; token++) {
                double p = Math.exp(logits[token] / temperature) / total;
                // Five sigmas of a binomial, and one count for rounding.
                double sigma = Math.sqrt(draws * p * (1 - p));
                assertEquals(draws * p, counts[token], 5 * sigma + 1, "token " + token);
            }
        }
    }

    @Test
    void aRowEndsAtItsEndToken() {
        try (LanguageModel model = TestModels.create("llama")) {
            Generated free =
                    generate(model, Map.of("max_new_tokens", 12), PROMPTS).getFirst();
            assertEquals(StopReason.MAX_NEW_TOKENS, free.reason());
            assertEquals(12, free.tokens().length);
            long end = free.tokens()[3];
            int first = 0;
            while (free.tokens()[first] != end) {
                first++;
            }
            List<Generated> ended = generate(model, Map.of("max_new_tokens", 12, "eos_token_id", (int) end), PROMPTS);
            assertEquals(StopReason.EOS, ended.getFirst().reason());
            assertArrayEquals(
                    Arrays.copyOf(free.tokens(), first + 1), ended.getFirst().tokens());
        }
    }

    @Test
    void aRowEndsAtAStopString() {
        try (LanguageModel model = TestModels.create("llama")) {
            Generated free =
                    generate(model, Map.of("max_new_tokens", 12), PROMPTS).getFirst();
            // The decoder writes "[a, b, c]": the stop string ends after the third token at the latest.
            String stop = free.tokens()[1] + ", " + free.tokens()[2] + "]";
            Map<String, Object> settings = Map.of("max_new_tokens", 12, "stop_strings", List.of(stop));
            Generated stopped =
                    generate(model, settings, List.of(PROMPTS.getFirst())).getFirst();
            assertEquals(StopReason.STOP_STRING, stopped.reason());
            assertTrue(Arrays.toString(stopped.tokens()).endsWith(stop));
            assertTrue(stopped.tokens().length <= 3);
            assertThrows(IllegalArgumentException.class, () -> new Generator(model, config(settings), null));
        }
    }

    @Test
    void theListenerHearsEveryTokenAndMayEnd() {
        try (LanguageModel model = TestModels.create("gpt2")) {
            List<List<Long>> heard = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
            Generator generator = new Generator(model, config(Map.of("max_new_tokens", 9)), null);
            List<Generated> all =
                    generator.generate(PROMPTS, (row, token) -> heard.get(row).add(token));
            for (int row = 0; row < 3; row++) {
                assertArrayEquals(
                        all.get(row).tokens(),
                        heard.get(row).stream().mapToLong(Long::longValue).toArray());
            }
            int[] left = {4};
            List<Generated> some = generator.generate(List.of(PROMPTS.getFirst()), (row, token) -> --left[0] > 0);
            assertEquals(StopReason.CANCELLED, some.getFirst().reason());
            assertEquals(4, some.getFirst().tokens().length);
        }
    }

    @Test
    void generationLeavesNoHandle() {
        try (LanguageModel model = TestModels.create("llama")) {
            long before = Tensor.keptHandles();
            generate(model, Map.of("max_new_tokens", 50, "do_sample", true), PROMPTS);
            assertEquals(before, Tensor.keptHandles());
            Generator failing = new Generator(model, config(Map.of("max_new_tokens", 5)), null);
            assertThrows(
                    IllegalStateException.class,
                    () -> failing.generate(PROMPTS, (row, token) -> {
                        throw new IllegalStateException("enough");
                    }));
            assertEquals(before, Tensor.keptHandles());
        }
    }

    @Test
    void promptsThatCannotBeReadAreNamed() {
        try (LanguageModel model = TestModels.create("gpt2")) {
            assertTrue(message(model, new long[] {}).startsWith("prompt 1 has no tokens"));
            assertEquals(
                    "prompt 1 has 33 tokens, but the model was made for 32 positions; shorten it",
                    message(model, new long[33]));
            assertTrue(
                    message(model, new long[] {23}).startsWith("prompt 1 has token 23, but the model knows 0 to 22"));
        }
    }

    private static String message(LanguageModel model, long[] prompt) {
        return assertThrows(QuernException.class, () -> generate(model, Map.of(), List.of(prompt)))
                .getMessage();
    }

    @Test
    void processorsKeepAndChangeWhatTheyShould() {
        float out = Float.NEGATIVE_INFINITY;
        try (Scope scope = Scope.open()) {
            Tensor ids = Tensor.of(new long[] {0, 2, 2}, 1, 3);
            Tensor logits = Tensor.of(new float[] {2f, 1f, -1f, 3f}, 1, 4);
            assertArrayEquals(
                    new float[] {1f, 1f, -2f, 3f},
                    LogitsProcessor.repetitionPenalty(2).apply(ids, logits).toFloats());
            assertArrayEquals(
                    new float[] {2f, out, out, 3f},
                    LogitsProcessor.topK(2).apply(ids, logits).toFloats());
            assertArrayEquals(
                    new float[] {2f, 1f, -1f, 3f},
                    LogitsProcessor.topK(9).apply(ids, logits).toFloats());
            Tensor known =
                    Tensor.of(new float[] {0.5f, 0.25f, 0.15f, 0.1f}, 1, 4).log();
            float[] p = LogitsProcessor.topP(0.7).apply(ids, known).exp().toFloats();
            assertArrayEquals(new float[] {0.5f, 0.25f, 0f, 0f}, p, 1e-6f);
            assertEquals(
                    0.5f, LogitsProcessor.topP(0.01).apply(ids, known).exp().toFloats()[0], 1e-6f);
        }
    }

    @Test
    void settingsComeFromTheFolderAndACallersBlockGoesOnTop() {
        try (LanguageModel model = LanguageModel.load(GoldenCases.folder("model-gpt2-tied"), DType.FP32, Device.CPU)) {
            GenerationConfig own = model.generationConfig();
            assertEquals(List.of(2), own.eosTokenId());
            GenerationConfig changed = own.with(TestModels.block(Map.of("do_sample", true, "top_k", 3)));
            assertEquals(3, changed.topK());
            assertTrue(changed.doSample());
            assertEquals(List.of(2), changed.eosTokenId());
            QuernException e =
                    assertThrows(QuernException.class, () -> own.with(TestModels.block(Map.of("temperature", 0.0))));
            assertTrue(e.getMessage().contains("temperature: 0.0 is out of range"), e.getMessage());
        }
    }
}
