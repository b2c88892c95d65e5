package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.internal.Json;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFolder;
import quern.tensor.Scope;
import quern.tensor.StagingBuffers;
import quern.tensor.Tensor;

class LanguageModelTest {
    @TempDir
    Path folder;

    private static Tensor ids() {
        return Tensor.of(new long[] {3, 5, 7, 9, 4, 6, 8, 10}, 2, 4);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void aSeedGivesTheSameModelAndAnotherSeedAnother(String family) {
        try (LanguageModel a = TestModels.create(family, Map.of(), 1);
                LanguageModel b = TestModels.create(family, Map.of(), 1);
                LanguageModel c = TestModels.create(family, Map.of(), 2);
                Scope scope = Scope.open()) {
            for (int i = 0; i < a.parameters().size(); i++) {
                assertTrue(a.parameters()
                        .get(i)
                        .value()
                        .equal(b.parameters().get(i).value()));
            }
            assertFalse(a.logits(ids(), null).equal(c.logits(ids(), null)));
        }
    }

    @Test
    void newWeightsHaveTheSpreadOfTransformers() {
        Map<String, Object> wide = Map.of("hidden_size", 128, "num_hidden_layers", 8, "initializer_range", 0.02);
        try (LanguageModel gpt2 = TestModels.create("gpt2", wide, 1);
                LanguageModel llama = TestModels.create("llama", new LinkedHashMap<>(wide), 1)) {
            spread(gpt2, "transformer.h.3.attn.c_attn.weight", 0.02);
            spread(gpt2, "transformer.h.3.mlp.c_fc.weight", 0.02);
            spread(gpt2, "transformer.h.3.attn.c_proj.weight", 0.02 / 4);
            spread(gpt2, "transformer.h.3.mlp.c_proj.weight", 0.02 / 4);
            spread(gpt2, "transformer.wpe.weight", 0.02);
            constant(gpt2, "transformer.h.3.ln_1.weight", 1);
            constant(gpt2, "transformer.h.3.attn.c_attn.bias", 0);
            spread(llama, "model.layers.5.self_attn.o_proj.weight", 0.02);
            spread(llama, "model.layers.5.mlp.down_proj.weight", 0.02);
            constant(llama, "model.norm.weight", 1);
        }
    }

    private static Parameter parameter(LanguageModel model, String name) {
        return model.parameters().stream()
                .filter(p -> p.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static void spread(LanguageModel model, String name, double std) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Tensor x = parameter(model, name).value();
            // 4096 draws or more put the sample deviation within 5 % of the true one, far beyond four sigmas.
            assertEquals(std, Math.sqrt(x.square().mean().item()), 0.05 * std, name);
            assertEquals(0, x.mean().item(), 0.07 * std, name);
        }
    }

    private static void constant(LanguageModel model, String name, double value) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            assertEquals(
                    0, parameter(model, name).value().sub(value).abs().max().item(), name);
        }
    }

    @Test
    void thePaddingTokensEmbeddingStartsAtZero() {
        try (LanguageModel model = TestModels.create("llama", Map.of("pad_token_id", 4), 1);
                Scope scope = Scope.open()) {
            Tensor row = parameter(model, "model.embed_tokens.weight")
                    .value()
                    .detach()
                    .select(0, 4);
            assertArrayEquals(new float[16], row.toFloats());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void shapesAreThoseOfTheBuiltModel(String family) {
        try (LanguageModel model = TestModels.create(family)) {
            ModelSpec.Shapes shapes = model.spec().shapes();
            assertEquals(model.parameterCount(), shapes.count());
            assertEquals(
                    model.parameters().stream().map(Parameter::name).toList(),
                    List.copyOf(shapes.parameters().keySet()));
        }
    }

    @Test
    void gpt2HasItsKnownSize() {
        ModelSpec spec = ModelSpec.fromRecipe(
                TestModels.block(Map.of("family", "gpt2", "vocab_size", 50257)), 50257, SpecialTokens.NONE);
        assertEquals(124_439_808, spec.shapes().count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void whatIsSavedLoadsToTheSameBitsTiedOrNotWholeOrInShards(String family) {
        for (boolean tied : List.of(true, false)) {
            for (long shard : List.of(SaveOptions.DEFAULT_SHARD_BYTES, 4000L)) {
                Path target = folder.resolve(family + tied + shard);
                try (LanguageModel model = TestModels.create(family, Map.of("tie_word_embeddings", tied), 3);
                        Scope scope = Scope.open()) {
                    model.save(target, SaveOptions.DEFAULT.withMaxShardBytes(shard));
                    assertEquals(shard > 4000, Files.exists(target.resolve("model.safetensors")));
                    assertEquals(shard == 4000, Files.exists(target.resolve("model.safetensors.index.json")));
                    try (SafetensorsFolder files = SafetensorsFolder.open(target)) {
                        assertEquals(!tied, files.contains("lm_head.weight"));
                        assertEquals(Map.of("format", "pt"), files.metadata());
                    }
                    try (LanguageModel again = LanguageModel.load(target, DType.FP32, Device.CPU)) {
                        assertEquals(model.config(), again.config());
                        assertTrue(model.logits(ids(), null).equal(again.logits(ids(), null)));
                    }
                }
            }
        }
    }

    @Test
    void aBf16ModelKeepsItsBits() {
        ModelSpec spec = TestModels.spec("llama", Map.of());
        try (LanguageModel model = LanguageModel.create(spec, DType.BF16, Device.CPU, 3);
                Scope scope = Scope.open()) {
            model.save(folder, SaveOptions.DEFAULT);
            assertEquals("bfloat16", Json.read(folder.resolve("config.json")).get("dtype"));
            try (LanguageModel again = LanguageModel.load(folder, DType.BF16, Device.CPU);
                    LanguageModel wide = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertTrue(model.logits(ids(), null).equal(again.logits(ids(), null)));
                assertEquals(DType.FP32, wide.parameters().getFirst().value().dtype());
                // bf16 has 8 bits: a hundredth of the logits' scale after two blocks.
                Tensor difference =
                        wide.logits(ids(), null).sub(model.logits(ids(), null).to(DType.FP32));
                assertEquals(0, difference.abs().max().item(), 0.01);
            }
        }
    }

    @Test
    void aFileMayHaveAnotherDtypeThanTheModel() {
        try (LanguageModel model = TestModels.create("gpt2");
                Scope scope = Scope.open()) {
            model.save(folder, SaveOptions.DEFAULT.withDtype(DType.BF16));
            try (SafetensorsFolder files = SafetensorsFolder.open(folder)) {
                assertEquals("BF16", files.entry("transformer.wte.weight").dtype());
            }
            try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                Tensor expected = model.parameters()
                        .getFirst()
                        .value()
                        .detach()
                        .to(DType.BF16)
                        .to(DType.FP32);
                assertTrue(expected.equal(again.parameters().getFirst().value().detach()));
            }
        }
    }

    @Test
    void aSnapshotHoldsTheWeightsOfItsMoment() {
        try (LanguageModel model = TestModels.create("llama");
                Scope scope = Scope.open()) {
            Tensor before = model.logits(ids(), null);
            StagingBuffers staging = new StagingBuffers();
            staging.lease();
            try (staging;
                    ModelSnapshot snapshot = model.snapshot(SaveOptions.DEFAULT, staging)) {
                for (Parameter p : model.parameters()) {
                    p.value().detach().mul_(2);
                }
                snapshot.write(folder);
            }
            assertFalse(before.equal(model.logits(ids(), null)));
            try (LanguageModel saved = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertTrue(before.equal(saved.logits(ids(), null)));
            }
        }
    }

    @Test
    void unknownFieldsOfConfigJsonAreKept() {
        Path source = GoldenCases.folder("model-gpt2-tied");
        try (LanguageModel model = LanguageModel.load(source, DType.FP32, Device.CPU)) {
            model.save(folder, SaveOptions.DEFAULT);
        }
        Map<String, Object> before = Json.read(source.resolve("config.json"));
        Map<String, Object> after = Json.read(folder.resolve("config.json"));
        before.values().removeIf(v -> v == null);
        after.values().removeIf(v -> v == null);
        assertEquals(before, after);
        assertEquals(
                Json.read(source.resolve("generation_config.json")),
                Json.read(folder.resolve("generation_config.json")));
    }

    @Test
    void theCardSaysWhatTheCallerKnows() throws Exception {
        ModelCard card = new ModelCard("Tales", "A model of tales.", Map.of("validation loss", "1.23"));
        try (LanguageModel model = TestModels.create("llama")) {
            model.save(folder, SaveOptions.DEFAULT.withCard(card));
        }
        String text = Files.readString(folder.resolve("README.md"));
        assertTrue(text.startsWith("---\nlibrary_name: transformers\n"), text);
        assertTrue(text.contains("# Tales"), text);
        assertTrue(text.contains("| validation loss | 1.23 |"), text);
        assertTrue(text.contains("| `hidden_size` | 16 |"), text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void twentyStepsOfPlainDescentLowerTheLoss(String family) {
        try (LanguageModel model = TestModels.create(family, Map.of("initializer_range", 0.05), 5);
                Scope scope = Scope.open()) {
            Tensor batch = Tensor.of(new long[] {1, 5, 6, 7, 8, 9, 1, 9, 8, 7, 6, 5}, 2, 6);
            double first = step(model, batch, 0.5);
            double last = first;
            for (int i = 0; i < 20; i++) {
                last = step(model, batch, 0.5);
            }
            assertEquals(Math.log(TestModels.VOCABULARY), first, 0.3, "a new model knows nothing");
            assertTrue(last < first / 2, first + " to " + last);
        }
    }

    private static double step(LanguageModel model, Tensor batch, double rate) {
        try (Scope scope = Scope.open();
                Tape tape = model.network().forward(model.lossInputs(batch, null, batch), Pass.training(1))) {
            double loss = tape.get("loss").item();
            tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
            try (Autograd.Mode mode = Autograd.noGrad()) {
                for (Parameter p : model.parameters()) {
                    p.value().add_(p.grad(), -rate);
                    p.clearGrad();
                }
            }
            return loss;
        }
    }

    @Test
    void dropoutActsInTrainingOnlyAndByTheSeed() {
        for (String family : TestModels.FAMILIES) {
            try (LanguageModel model = TestModels.create(family, Map.of("dropout", 0.5), 5);
                    Scope scope = Scope.open()) {
                Tensor once = model.logits(ids(), null);
                assertTrue(once.equal(model.logits(ids(), null)));
                assertEquals(loss(model, 1), loss(model, 1));
                assertNotEquals(loss(model, 1), loss(model, 2));
            }
        }
    }

    private static double loss(LanguageModel model, long seed) {
        try (Tape tape = model.network().forward(model.lossInputs(ids(), null, ids()), Pass.training(seed))) {
            return tape.get("loss").item();
        }
    }

    @Test
    void aCallersBlockReplacesSettingsOfAFolder() {
        Path source = GoldenCases.folder("model-gpt2-tied");
        Block block = TestModels.block(Map.of("dropout", 0.25));
        try (LanguageModel model = LanguageModel.load(source, block, DType.FP32, Device.CPU)) {
            assertEquals(0.25, model.spec().field("resid_pdrop"));
            assertEquals(0.25, model.spec().field("attn_pdrop"));
        }
        Block wrong = TestModels.block(Map.of("resid_drop", 0.25));
        QuernException e = assertThrows(QuernException.class, () -> ModelSpec.read(source, wrong));
        assertEquals("recipe.yaml:3:1: unknown key 'resid_drop' (did you mean 'resid_pdrop'?)", e.getMessage());
    }

    @Test
    void aSequenceLongerThanTheContextIsRefused() {
        for (String family : TestModels.FAMILIES) {
            try (LanguageModel model = TestModels.create(family);
                    Scope scope = Scope.open()) {
                QuernException e =
                        assertThrows(QuernException.class, () -> model.logits(Tensor.zeros(DType.INT64, 1, 33), null));
                assertTrue(e.getMessage().contains("33 tokens"), e.getMessage());
            }
        }
    }

    @Test
    void labelsShiftByOne() {
        try (Scope scope = Scope.open()) {
            Tensor labels = Tensor.of(new long[] {1, 2, 3, 4, -100, 6}, 2, 3);
            assertArrayEquals(
                    new long[] {2, 3, -100, -100, 6, -100},
                    LanguageModel.shiftLabels(labels).toLongs());
        }
    }

    @Test
    void rightPaddingChangesNoRealPosition() {
        for (String family : TestModels.FAMILIES) {
            try (LanguageModel model = TestModels.create(family);
                    Scope scope = Scope.open()) {
                Tensor mask = Tensor.of(new long[] {1, 1, 0, 0, 1, 1, 1, 1}, 2, 4);
                Tensor padded = model.logits(ids(), mask).narrow(0, 0, 1).narrow(1, 0, 2);
                Tensor alone = model.logits(Tensor.of(new long[] {3, 5}, 1, 2), null);
                // Other shapes may take another GEMM path: a few fp32 roundings.
                assertEquals(0, padded.sub(alone).abs().max().item(), 1e-5);
            }
        }
    }

    @Test
    void loadingAndClosingLeavesNoHandle() {
        Path source = GoldenCases.folder("model-llama-sharded");
        long before = Tensor.keptHandles();
        for (int i = 0; i < 20; i++) {
            try (LanguageModel model = LanguageModel.load(source, DType.FP32, Device.CPU);
                    Scope scope = Scope.open()) {
                model.logits(Tensor.of(new long[] {1, 2}, 1, 2), null);
            }
            assertEquals(before, Tensor.keptHandles());
        }
    }

    @Test
    void parametersOfOneShapeDiffer() {
        try (LanguageModel model = TestModels.create("llama")) {
            Tensor k =
                    parameter(model, "model.layers.0.self_attn.k_proj.weight").value();
            Tensor v =
                    parameter(model, "model.layers.0.self_attn.v_proj.weight").value();
            assertFalse(k.equal(v));
        }
    }
}
