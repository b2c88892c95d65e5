package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import quern.models.Generator.Generated;
import quern.nn.Flow;
import quern.nn.KeyValueCache;
import quern.nn.Pass;
import quern.nn.Positions;
import quern.recipe.GoldenCase;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** What must hold of generation for every causal family, on the models of the golden cases. */
class FamilyGenerationTest {
    /** With the longest prompt as many as the smallest of the models was made for. */
    private static final int NEW_TOKENS = 17;

    private static Stream<GoldenCase> causalCases() {
        return GoldenCases.all().stream().filter(c -> ModelSpec.read(c.folder()).task() == Task.CAUSAL_LM);
    }

    private static Stream<DynamicTest> forEveryCausalModel(Consumer<LanguageModel> holds) {
        return causalCases()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (LanguageModel model = LanguageModel.load(c.folder(), DType.FP32, Device.CPU)) {
                        holds.accept(model);
                    }
                }));
    }

    /** Prompts of 15, 1 and 8 tokens: longer than the windows of the models that have one, and padded on the left. */
    private static List<long[]> prompts(LanguageModel model) {
        List<long[]> prompts = new ArrayList<>();
        for (int length : new int[] {15, 1, 8}) {
            long[] prompt = new long[length];
            for (int i = 0; i < length; i++) {
                prompt[i] = 4
                        + Math.floorMod(
                                31L * i * i + 17L * length, model.config().vocabSize() - 4);
            }
            prompts.add(prompt);
        }
        return prompts;
    }

    private static List<Generated> greedy(LanguageModel model, boolean useCache, List<long[]> prompts) {
        GenerationConfig config = TestModels.block(Map.of("max_new_tokens", NEW_TOKENS, "use_cache", useCache))
                .bind(GenerationConfig.class);
        return new Generator(model, config, null).generate(prompts);
    }

    @Test
    void everyCausalFamilyHasTwoCases() {
        Map<String, Long> cases = causalCases()
                .collect(Collectors.groupingBy(
                        c -> ModelSpec.read(c.folder()).family().id(), Collectors.counting()));
        Set<String> families = Techniques.all().stream()
                .filter(ModelFamily.class::isInstance)
                .map(t -> (ModelFamily<?>) t)
                .filter(f -> f.architectures().first().task() == Task.CAUSAL_LM)
                .map(ModelFamily::id)
                .collect(Collectors.toSet());
        for (String family : families) {
            assertTrue(cases.getOrDefault(family, 0L) >= 2, family + " has " + cases.get(family));
        }
    }

    @TestFactory
    Stream<DynamicTest> aCacheChangesNoTokenOfAPaddedBatch() {
        return forEveryCausalModel(model -> {
            List<long[]> prompts = prompts(model);
            assertEquals(greedy(model, false, prompts), greedy(model, true, prompts));
        });
    }

    @TestFactory
    Stream<DynamicTest> aRowGetsTheTokensItWouldGetAlone() {
        return forEveryCausalModel(model -> {
            List<long[]> prompts = prompts(model);
            if (!keepsOneCache(model, prompts.getFirst().length + NEW_TOKENS)) {
                // How keys turn hangs on the batch's longest text.
                return;
            }
            List<Generated> together = greedy(model, true, prompts);
            for (int row = 0; row < prompts.size(); row++) {
                assertEquals(
                        greedy(model, true, List.of(prompts.get(row))).getFirst(),
                        together.get(row),
                        () -> model.spec().toString());
            }
        });
    }

    /** A text read piece by piece gives the logits of the text read at once, whatever the pieces. */
    @TestFactory
    Stream<DynamicTest> pieceByPieceGivesTheSameLogits() {
        return forEveryCausalModel(model -> {
            long[] ids = new long[30];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = 4 + Math.floorMod(37L * i * i + 5L * i, model.config().vocabSize() - 4);
            }
            if (!keepsOneCache(model, ids.length)) {
                return;
            }
            try (Scope scope = Scope.open();
                    KeyValueCache cache = new KeyValueCache()) {
                Tensor whole = model.logits(Tensor.of(ids, 1, ids.length), null);
                Pass pass = Pass.evaluation().withCache(cache);
                int from = 0;
                for (int piece : new int[] {2, 11, 1, 3, 9, 4}) {
                    long[] part = Arrays.copyOfRange(ids, from, from + piece);
                    Tensor logits = model.network()
                            .infer(new Flow().put("input_ids", Tensor.of(part, 1, piece)), pass)
                            .get("logits");
                    double error =
                            logits.sub(whole.narrow(1, from, piece)).abs().max().item();
                    assertTrue(error <= 1e-4 * Math.max(1, whole.abs().max().item()), "from " + from + ": " + error);
                    from += piece;
                }
                assertEquals(ids.length, from);
            }
        });
    }

    private static boolean keepsOneCache(LanguageModel model, long length) {
        return model.network().segments().stream()
                .allMatch(s -> !(s instanceof Positions p)
                        || LongStream.range(1, length).allMatch(n -> p.keepsCache(n, length)));
    }
}
