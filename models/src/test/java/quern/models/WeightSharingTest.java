package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import quern.models.part.PartTechnique;
import quern.models.part.SharingPart;
import quern.models.part.sharing.Albert;
import quern.models.part.sharing.Recursive;
import quern.models.part.sharing.Universal;
import quern.nn.Flow;
import quern.nn.KeyValueCache;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.ExitCode;
import quern.recipe.GrowthSettings.Method;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.recipe.Techniques;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Composed models whose blocks share weights: the laws of {@link Albert}, {@link Recursive} and {@link Universal}. */
class WeightSharingTest {
    /** Gradients by segments and of the whole graph differ in the order of sums only; worst seen 2e-6. */
    private static final double GRADIENTS = 2e-5;

    /** The same sums in fp32 by another kernel; worst seen 3e-6. */
    private static final double LOGITS = 2e-5;

    private static final long[] IDS = {4, 9, 2, 17, 5, 5, 20, 3, 11, 8, 1, 6};

    @TempDir
    Path folder;

    /** Every way of sharing, by a name for messages. */
    static Map<String, Map<String, Object>> settings() {
        Map<String, Map<String, Object>> all = new LinkedHashMap<>();
        all.put("albert", Map.of("weight_sharing", "albert"));
        all.put("groups", Map.of("weight_sharing", Map.of("type", "albert", "num_hidden_groups", 2)));
        all.put(
                "factorised",
                Map.of(
                        "weight_sharing",
                        "albert",
                        "embedding_size",
                        6,
                        "tie_word_embeddings",
                        true,
                        "position",
                        "learned"));
        all.put("factorised, untied", Map.of("embedding_size", 6));
        all.put(
                "recursive",
                Map.of("weight_sharing", Map.of("type", "recursive", "num_recursions", 2, "lora_rank", 3)));
        all.put("universal", Map.of("weight_sharing", "universal"));
        all.put(
                "sines of steps",
                Map.of(
                        "weight_sharing",
                        Map.of("type", "universal", "step_embedding", "sinusoidal"),
                        "position",
                        "learned"));
        all.put(
                "halting",
                Map.of(
                        "weight_sharing",
                        Map.of(
                                "type",
                                "universal",
                                "step_embedding",
                                "sinusoidal",
                                "positions_each_step",
                                true,
                                "halting",
                                Map.of("epsilon", 0.2)),
                        "position",
                        "none"));
        return all;
    }

    static Set<String> names() {
        return settings().keySet();
    }

    private static LanguageModel create(Map<String, Object> changes) {
        Map<String, Object> all = new LinkedHashMap<>(changes);
        all.putIfAbsent("num_hidden_layers", 4);
        all.putIfAbsent("initializer_range", 0.3);
        return LanguageModel.create(TestModels.spec("custom", all), DType.FP32, Device.CPU, 7);
    }

    private static Tensor ids() {
        return Tensor.of(IDS, 2, 6);
    }

    private static Map<String, Parameter> byName(LanguageModel model) {
        return model.parameters().stream().collect(Collectors.toMap(Parameter::name, p -> p));
    }

    /** Zero B would hide what A and B do. */
    private static void fillLowRank(LanguageModel model, double std) {
        model.parameters().stream()
                .filter(p -> p.name().contains(".lora_B"))
                .forEach(p -> p.value()
                        .detach()
                        .normal_(0, std, new RandomStream(p.name().hashCode())));
    }

    @Test
    void theyAreTechniques() {
        for (Map.Entry<String, Class<?>> e : Map.<String, Class<?>>of(
                        "albert", Albert.class, "recursive", Recursive.class, "universal", Universal.class)
                .entrySet()) {
            assertEquals(
                    e.getValue(),
                    Techniques.find(PartTechnique.class, SharingPart.KIND, e.getKey(), Position.of("x"))
                            .getClass());
        }
    }

    /** The oracle: a model without sharing whose blocks hold copies of the owners' weights. */
    @ParameterizedTest
    @CsvSource({"albert, 1, 0 0 0 0", "albert, 2, 0 0 2 2", "recursive, 2, 0 1 0 1", "universal, 1, 0 0 0 0"})
    void sharingIsBlocksWithEqualWeights(String type, int parts, String owners) {
        Map<String, Object> sharing = switch (type) {
            case "albert" -> Map.of("type", type, "num_hidden_groups", parts);
            case "recursive" -> Map.of("type", type, "num_recursions", parts, "lora_rank", 0);
            default -> Map.of("type", type, "step_embedding", "none");
        };
        try (LanguageModel shared = create(Map.of("weight_sharing", sharing));
                LanguageModel plain = create(Map.of());
                Scope scope = Scope.open()) {
            copy(shared, plain, owners.split(" "));
            assertEquals(
                    List.of(owners.split(" ")).stream().distinct().count(),
                    shared.parameters().stream()
                            .filter(p -> p.name().endsWith(".mlp.down_proj.weight"))
                            .count());
            assertEquals(
                    0,
                    plain.logits(ids(), null)
                            .sub(shared.logits(ids(), null))
                            .abs()
                            .max()
                            .item(),
                    LOGITS);
        }
    }

    private static void copy(LanguageModel shared, LanguageModel plain, String[] owners) {
        Map<String, Parameter> from = byName(shared);
        plain.parameters().forEach(p -> {
            String name = p.name();
            for (int i = 0; i < owners.length; i++) {
                String own = "model.layers." + i + ".";
                if (p.name().startsWith(own)) {
                    name = "model.layers." + owners[i] + "." + p.name().substring(own.length());
                }
            }
            p.value().detach().copy_(from.get(name).value());
        });
    }

    @Test
    void newRecursiveModelIsPlainSharingUntilItsOwnMapsLearn() {
        try (LanguageModel relaxed = create(
                        Map.of("weight_sharing", Map.of("type", "recursive", "num_recursions", 2, "lora_rank", 3)));
                LanguageModel plain = create(
                        Map.of("weight_sharing", Map.of("type", "recursive", "num_recursions", 2, "lora_rank", 0)));
                Scope scope = Scope.open()) {
            assertEquals(
                    0,
                    plain.logits(ids(), null)
                            .sub(relaxed.logits(ids(), null))
                            .abs()
                            .max()
                            .item(),
                    LOGITS);
            long visits = relaxed.parameters().stream()
                    .filter(p -> p.name().endsWith(".mlp.down_proj.lora_A.weight"))
                    .count();
            assertEquals(4, visits, "each visit has maps of its own");
            fillLowRank(relaxed, 0.3);
            assertTrue(plain.logits(ids(), null)
                            .sub(relaxed.logits(ids(), null))
                            .abs()
                            .max()
                            .item()
                    > 0.01);
        }
    }

    @Test
    void universalWithOneStepIsOneLayer() {
        try (LanguageModel one = create(Map.of(
                        "num_hidden_layers",
                        1,
                        "weight_sharing",
                        Map.of("type", "universal", "step_embedding", "none")));
                LanguageModel plain = create(Map.of("num_hidden_layers", 1));
                Scope scope = Scope.open()) {
            assertArrayEquals(
                    plain.logits(ids(), null).toFloats(),
                    one.logits(ids(), null).toFloats());
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void aSavedModelComesBackToTheBit(String name) {
        try (LanguageModel model = create(settings().get(name));
                Scope scope = Scope.open()) {
            fillLowRank(model, 0.3);
            model.save(folder, SaveOptions.DEFAULT);
            try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertEquals(model.config(), again.config());
                assertArrayEquals(
                        model.logits(ids(), null).toFloats(),
                        again.logits(ids(), null).toFloats());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void gradientsBySegmentsAreThoseOfTheWholeGraph(String name) {
        try (LanguageModel model = create(settings().get(name));
                Scope scope = Scope.open()) {
            fillLowRank(model, 0.3);
            Flow inputs = model.lossInputs(ids(), null, ids());
            try (Tape tape = model.network().forward(inputs, Pass.training(1))) {
                tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
            }
            List<Parameter> parameters = model.parameters();
            Flow whole = model.network().wholeGraph(Map.of(), inputs, Pass.training(1));
            List<Tensor> gradients = Autograd.grad(
                    List.of(whole.get("loss")),
                    parameters.stream().map(Parameter::value).toList(),
                    List.of(Tensor.full(1, DType.FP32, Device.CPU, 1)),
                    false,
                    false);
            for (int i = 0; i < gradients.size(); i++) {
                Parameter p = parameters.get(i);
                double size = gradients.get(i).abs().max().item();
                double error = gradients.get(i).sub(p.grad()).abs().max().item();
                assertTrue(error <= GRADIENTS * Math.max(1, size), p.name() + " " + error);
                assertTrue(size > 0, p.name() + " learns nothing");
            }
        }
    }

    /** Each visit has a place of its own in the cache, and a halted position stays there for those that go on. */
    @ParameterizedTest
    @MethodSource("names")
    void generatesWithACacheAsWithout(String name) {
        try (LanguageModel model = create(settings().get(name))) {
            fillLowRank(model, 0.3);
            long[] prompt = {4, 9, 2, 17};
            long[][] tokens = new long[2][];
            for (int i = 0; i < 2; i++) {
                GenerationConfig config = model.generationConfig()
                        .with(TestModels.block(Map.of("max_new_tokens", 12, "do_sample", false, "use_cache", i == 0)));
                tokens[i] = new Generator(model, config, null)
                        .generate(List.of(prompt))
                        .getFirst()
                        .tokens();
            }
            assertArrayEquals(tokens[1], tokens[0]);
        }
    }

    /** Logits of the last position with a cache, a token at a time, against those of the whole text. */
    @ParameterizedTest
    @MethodSource("names")
    void cachedLogitsAreThoseOfTheWholeText(String name) {
        try (LanguageModel model = create(settings().get(name));
                Scope scope = Scope.open();
                KeyValueCache cache = new KeyValueCache()) {
            fillLowRank(model, 0.3);
            Tensor whole = model.logits(ids(), null);
            for (int t = 0; t < 6; t++) {
                Flow in = new Flow().put("input_ids", ids().narrow(1, t, 1).contiguous());
                Tensor last = model.network()
                        .infer(in, Pass.evaluation().withCache(cache))
                        .get("logits");
                assertEquals(0, last.sub(whole.narrow(1, t, 1)).abs().max().item(), LOGITS, "position " + t);
            }
        }
    }

    @Test
    void factorisedEmbeddingIsSmaller() {
        try (LanguageModel narrow = create(Map.of("embedding_size", 6, "tie_word_embeddings", true))) {
            Map<String, Parameter> all = byName(narrow);
            assertArrayEquals(
                    new long[] {TestModels.VOCABULARY, 6},
                    all.get("model.embed_tokens.weight").value().shape());
            assertArrayEquals(
                    new long[] {16, 6},
                    all.get("model.embed_projection.weight").value().shape());
            assertArrayEquals(
                    new long[] {6, 16}, all.get("lm_projection.weight").value().shape());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{type: recursive, num_recursions: 3} | weight_sharing: num_recursions: 3 does not divide the 4 blocks",
                "{type: recursive, num_recursions: 2, lora_rank: 16} | lora_rank: 16 is not below hidden_size 16",
                "{type: recursive, num_recursions: 2, lora_rank: 0, lora_alpha: 2.0} | lora_alpha: has no effect with lora_rank: 0",
                "{type: recursive} | num_recursions",
                "{type: albert, num_hidden_groups: 3} | num_hidden_groups: 3 does not divide the 4 blocks",
                "{type: albert, num_hidden_groups: 4} | 4 groups of 4 blocks share nothing",
                "{type: universal, step_embedding: none, positions_each_step: true} | positions_each_step: belongs to the sines",
                "{type: universal, halting: {epsilon: 1.0}} | epsilon: 1.0 is out of range",
                "{type: none, halting: {}} | unknown key 'halting'",
                "{type: albert, halting: {}} | unknown key 'halting'",
                "{type: recursive, num_recursions: 2, halting: {}} | unknown key 'halting'",
            })
    void refusesWithTheReason(String sharing, String expected) {
        Object chosen = RecipeFile.load("x", "weight_sharing: " + sharing, List.of())
                .toMap()
                .get("weight_sharing");
        QuernException refused = assertThrows(
                QuernException.class,
                () -> create(Map.of("weight_sharing", chosen)).close());
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertTrue(refused.getMessage().contains(expected), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }

    @Test
    void refusesHaltingOfOneVisitAndAWideFactorisedEmbedding() {
        Map<String, Object> halting = Map.of("type", "universal", "halting", Map.of());
        QuernException one = assertThrows(
                QuernException.class,
                () -> create(Map.of("num_hidden_layers", 1, "weight_sharing", halting))
                        .close());
        assertTrue(one.getMessage().contains("there is nothing to decide"), one.getMessage());
        QuernException wide = assertThrows(
                QuernException.class, () -> create(Map.of("embedding_size", 16)).close());
        assertTrue(wide.getMessage().contains("is not below hidden_size 16"), wide.getMessage());
    }

    /** Visits of one block are no layers that zeros could be put into. */
    @Test
    void refusesToStackSharedBlocks() {
        try (LanguageModel small = create(Map.of("weight_sharing", "albert"))) {
            ModelSpec to = small.spec().with(TestModels.block(Map.of("num_hidden_layers", 8)));
            QuernException refused = assertThrows(
                    QuernException.class,
                    () -> ModelGrowth.check(small.spec(), to, Method.STACK, Position.of("r.yaml:1:1")));
            assertTrue(refused.getMessage().contains("share"), refused.getMessage());
        }
    }
}
