package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.ExitCode;
import quern.recipe.GrowthSettings.Method;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** A grown model computes what the smaller one did, and its new parts learn. */
class ModelGrowthTest {
    /** Sums of some tens of fp32 terms in another order, beside logits of about 5; worst seen 4e-6. */
    private static final double SAME = 1e-5;

    private static final Position PLACE = Position.of("recipe.yaml:5:1");

    private static Map<String, Object> changes(String text) {
        Map<String, Object> changes = new LinkedHashMap<>();
        for (String pair : text.split(" ")) {
            String[] parts = pair.split("=");
            Object value = parts[1].matches("\\d+") ? (Object) Long.valueOf(parts[1]) : Boolean.valueOf(parts[1]);
            changes.put(parts[0], value);
        }
        return changes;
    }

    private static Tensor ids(long tokens) {
        long[] ids = new long[(int) (2 * tokens)];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (i * 7L + i / 5) % TestModels.VOCABULARY;
        }
        return Tensor.of(ids, 2, tokens);
    }

    private static void assertGrows(LanguageModel small, Method method, Map<String, Object> changes, double tolerance) {
        ModelSpec to = small.spec().with(TestModels.block(changes));
        try (LanguageModel large = ModelGrowth.grow(small, to, method, DType.FP32, Device.CPU, 3, PLACE);
                Scope scope = Scope.open()) {
            assertTrue(large.parameterCount() > small.parameterCount());
            Tensor before = small.logits(ids(12), null);
            Tensor after = large.logits(ids(12), null);
            assertTrue(before.abs().max().item() > 1, "logits differ clearly");
            assertEquals(0, after.sub(before).abs().max().item(), tolerance);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2, num_hidden_layers=4",
        "gpt2, num_hidden_layers=3 tie_word_embeddings=true",
        "llama, num_hidden_layers=5",
        "olmo2, num_hidden_layers=4",
        "gemma2, num_hidden_layers=4",
        "gpt_neox, num_hidden_layers=4",
        "mixtral, num_hidden_layers=3"
    })
    void deeperModelGivesTheSameLogits(String family, String changes) {
        try (LanguageModel small = create(family)) {
            assertGrows(small, Method.STACK, changes(changes), SAME);
        }
    }

    private static LanguageModel create(String family) {
        return switch (family) {
            case "gpt2", "llama" -> TestModels.create(family);
            case "mixtral" -> TestModels.create(family, Map.of("num_local_experts", 2, "intermediate_size", 24), 7);
            case "gemma2" ->
                TestModels.create(family, Map.of("intermediate_size", 24, "head_dim", 4, "num_key_value_heads", 2), 7);
            default -> TestModels.create(family, Map.of("intermediate_size", 24), 7);
        };
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2, hidden_size=32 num_attention_heads=8",
        "gpt2, hidden_size=48 num_attention_heads=12",
        "gpt2, n_inner=100",
        "llama, hidden_size=32 num_attention_heads=8 num_key_value_heads=2 intermediate_size=101",
        "llama, hidden_size=32 num_attention_heads=8 num_key_value_heads=4",
        "llama, hidden_size=48 num_attention_heads=12 num_key_value_heads=6",
        "qwen3, hidden_size=32 num_attention_heads=8",
        "olmo2, hidden_size=32 num_attention_heads=8",
        "gpt_neox, hidden_size=32 num_attention_heads=8 intermediate_size=60"
    })
    void widerModelGivesTheSameLogits(String family, String changes) {
        try (LanguageModel small = create(family)) {
            assertGrows(small, Method.WIDTH, changes(changes), SAME);
        }
    }

    @Test
    void widerModelWithAHeadOfItsOwnGivesTheSameLogits() {
        for (String family : TestModels.FAMILIES) {
            for (boolean tied : new boolean[] {true, false}) {
                try (LanguageModel small = TestModels.create(family, Map.of("tie_word_embeddings", tied), 7)) {
                    assertGrows(small, Method.WIDTH, changes("hidden_size=32 num_attention_heads=8"), SAME);
                }
            }
        }
    }

    @Test
    void copiesMoveTheLogits() {
        try (LanguageModel small = TestModels.create("llama");
                LanguageModel large = ModelGrowth.grow(
                        small,
                        small.spec().with(TestModels.block(Map.of("num_hidden_layers", 4))),
                        Method.COPY,
                        DType.FP32,
                        Device.CPU,
                        3,
                        PLACE);
                Scope scope = Scope.open()) {
            assertTrue(large.logits(ids(12), null)
                            .sub(small.logits(ids(12), null))
                            .abs()
                            .max()
                            .item()
                    > 0.1);
            Map<String, Tensor> values = new LinkedHashMap<>();
            large.parameters().forEach(p -> values.put(p.name(), p.value()));
            assertTrue(values.get("model.layers.0.mlp.down_proj.weight")
                    .equal(values.get("model.layers.2.mlp.down_proj.weight")));
        }
    }

    /** With equal shares two copies would have the same gradient and never come apart. */
    @ParameterizedTest
    @CsvSource({"gpt2, transformer.h.0.mlp.c_fc.weight", "llama, model.layers.0.mlp.up_proj.weight"})
    void copiesOfFeaturesComeApart(String family, String name) {
        try (LanguageModel small = TestModels.create(family)) {
            ModelSpec to = small.spec().with(TestModels.block(changes("hidden_size=32 num_attention_heads=8")));
            try (LanguageModel large = ModelGrowth.grow(small, to, Method.WIDTH, DType.FP32, Device.CPU, 3, PLACE);
                    Scope scope = Scope.open()) {
                try (Tape tape = large.network().forward(large.lossInputs(ids(12), null, ids(12)), Pass.training(1))) {
                    tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
                }
                Tensor gradient = large.parameters().stream()
                        .filter(p -> p.name().equals(name))
                        .findFirst()
                        .orElseThrow()
                        .grad();
                Tensor first = gradient.narrow(1, 0, 16);
                Tensor second = gradient.narrow(1, 16, 16);
                // The gradient of reading equal features is equal; what reads the rows differs by its shares.
                assertTrue(first.sub(second).abs().max().item() < 1e-5);
                long rows = gradient.size(0);
                if (family.equals("gpt2")) {
                    Tensor upper = gradient.narrow(0, 0, rows / 2);
                    Tensor lower = gradient.narrow(0, rows / 2, rows / 2);
                    assertTrue(upper.sub(lower).abs().max().item() > 1e-4);
                }
            }
        }
    }

    @Test
    void newLayersLearnFromTheFirstStep() {
        try (LanguageModel small = TestModels.create("llama");
                LanguageModel large = ModelGrowth.grow(
                        small,
                        small.spec().with(TestModels.block(Map.of("num_hidden_layers", 4))),
                        Method.STACK,
                        DType.FP32,
                        Device.CPU,
                        3,
                        PLACE);
                Scope scope = Scope.open()) {
            try (Tape tape = large.network().forward(large.lossInputs(ids(12), null, ids(12)), Pass.training(1))) {
                tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
            }
            large.parameters().stream()
                    .filter(p -> p.name().startsWith("model.layers.3.")
                            && (p.name().contains("o_proj") || p.name().contains("down_proj")))
                    .forEach(p -> assertTrue(p.grad().abs().max().item() > 0, p.name()));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "llama | STACK | num_hidden_layers=1 | growing takes no layers away: the smaller model has 2, the grown one 1",
                "llama | STACK | num_hidden_layers=2 | growing by layers adds none",
                "llama | STACK | num_hidden_layers=4 hidden_size=32 num_attention_heads=8 | change only sizes that this way of growing knows",
                "llama | WIDTH | hidden_size=32 | the size of a head would change from 4 to 8",
                "llama | WIDTH | hidden_size=24 num_attention_heads=6 | can only grow to a multiple",
                "llama | WIDTH | intermediate_size=32 | growing takes nothing away: the width of the feed-forward part is 64",
                "llama | WIDTH | hidden_size=16 | growing in width changes nothing",
                "llama | WIDTH | num_hidden_layers=4 | use a stage of its own with grow: stack",
                "gpt2 | WIDTH | hidden_size=32 | the size of a head would change from 4 to 8",
                "gpt2 | WIDTH | hidden_size=8 num_attention_heads=2 | growing takes nothing away: the width of the stream",
                "mixtral | WIDTH | hidden_size=32 num_attention_heads=8 | its mlp is of a kind that can't grow in width",
            })
    void refusesWithTheReason(String family, Method method, String changes, String expected) {
        try (LanguageModel small = create(family)) {
            ModelSpec to = small.spec().with(TestModels.block(changes(changes)));
            QuernException refused =
                    assertThrows(QuernException.class, () -> ModelGrowth.check(small.spec(), to, method, PLACE));
            assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
            assertTrue(refused.getMessage().contains(expected), refused.getMessage());
            assertTrue(refused.getMessage().startsWith("recipe.yaml:5:1: grow: "), refused.getMessage());
            assertEquals(1, refused.getMessage().lines().count());
        }
    }

    /** Gemma multiplies its embedding by the root of the width. */
    @Test
    void refusesWhereAnotherNumberFollowsFromTheWidth() {
        try (LanguageModel small = TestModels.create(
                "gemma", Map.of("intermediate_size", 24, "head_dim", 4, "num_key_value_heads", 2), 7)) {
            ModelSpec to = small.spec().with(TestModels.block(changes("hidden_size=32 num_attention_heads=8")));
            QuernException refused = assertThrows(
                    QuernException.class,
                    () -> ModelGrowth.grow(small, to, Method.WIDTH, DType.FP32, Device.CPU, 3, PLACE)
                            .close());
            assertTrue(
                    refused.getMessage().contains("would not compute what the smaller one does"), refused.getMessage());
        }
    }

    @Test
    void refusesBlocksThatNormTheStream() {
        Map<String, Object> settings = new LinkedHashMap<>(TestModels.settings("bert"));
        settings.remove("dropout");
        settings.put("intermediate_size", 24);
        ModelSpec small = ModelSpec.fromRecipe(
                TestModels.block(settings),
                TestModels.VOCABULARY,
                new SpecialTokens(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty()));
        ModelSpec to = small.with(TestModels.block(Map.of("num_hidden_layers", 4)));
        QuernException refused =
                assertThrows(QuernException.class, () -> ModelGrowth.check(small, to, Method.STACK, PLACE));
        assertTrue(refused.getMessage().contains("norms the stream itself"), refused.getMessage());
    }
}
