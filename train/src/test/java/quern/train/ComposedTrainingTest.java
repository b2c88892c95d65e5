package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.PrefixLm;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.models.Task;
import quern.optim.Optimizer;
import quern.optim.ParameterRole;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Composed models train from recipes. */
class ComposedTrainingTest {
    private static final String SIZES =
            "family: custom, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 40";

    @TempDir
    Path folder;

    private static double loss(TrainingRun.Outcome outcome, int from, int to) {
        return MetricsLog.read(outcome.folder()).stream()
                .filter(line -> line.containsKey("loss"))
                .skip(from)
                .limit(to - from)
                .mapToDouble(line -> line.get("loss"))
                .average()
                .orElseThrow();
    }

    private TrainingRun.Outcome train(String model, String objective, String... more) {
        return TinyRuns.train(TinyRuns.blockOf(
                "{" + SIZES + ", " + model + "}",
                folder,
                Stream.concat(
                                Stream.of(
                                        "objective=" + objective,
                                        "data.max_length=32",
                                        "max_steps=20",
                                        "eval_steps=20",
                                        "save_steps=20",
                                        "warmup_steps=0",
                                        "per_device_train_batch_size=16"),
                                Stream.of(more))
                        .toArray(String[]::new)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "structure: decoder, position: alibi, norm_placement: sandwich, feed_forward: relu2 | causal_lm | char",
                "structure: prefix_lm, position: shaw, initialization: small_init | prefix_lm | char",
                "structure: encoder, position: relative, norm_placement: post | mlm | '{type: bpe, vocab_size: 300}'",
                "structure: encoder_decoder, position: sinusoidal, attention: mqa | span_corruption | '{type: bpe, vocab_size: 420}'"
            })
    void everyStructureLearns(String model, String objective, String tokenizer) {
        TrainingRun.Outcome outcome = train(model, objective, "tokenizer=" + tokenizer);
        double start = loss(outcome, 0, 3);
        double end = loss(outcome, 17, 20);
        assertTrue(end < 0.95 * start, "from " + start + " to " + end);
        try (LanguageModel saved = LanguageModel.load(outcome.folder(), DType.FP32, Device.CPU)) {
            assertEquals("custom", saved.spec().family().id());
        }
    }

    @Test
    void prefixesAndStructuresGoTogether() {
        String gives = new PrefixLm().id();
        refused(() -> train("structure: decoder", gives), "objective prefix_lm names prefixes, but the model");
        refused(
                () -> train("structure: prefix_lm", "causal_lm"),
                "objective causal_lm names no prefixes, but the model");
        refused(() -> train("structure: encoder", "causal_lm"), "structure: encoder: such a model is for masked_lm");
    }

    private static void refused(Runnable run, String part) {
        QuernException refused = assertThrows(QuernException.class, run::run);
        assertTrue(refused.getMessage().contains(part), refused::getMessage);
    }

    @Test
    void muPsFactorsReachTheOptimizer() {
        Block recipe = TinyRuns.blockOf(
                "{" + SIZES + ", initialization: {type: mup, base_width: 8}}",
                folder,
                "weight_decay=0",
                "parameter_groups=[{pattern: o_proj, learning_rate_factor: 0.5}]");
        Preparation p = Preparation.of(recipe, note -> {});
        try (LanguageModel model = p.model();
                Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter parameter : model.parameters()) {
                parameter.value().fill_(1);
                parameter
                        .value()
                        .setGrad(Tensor.full(
                                1, DType.FP32, Device.CPU, parameter.value().shape()));
            }
            try (Optimizer optimizer = p.optimizer(model.network())) {
                optimizer.step(0.01, 1);
            }
            for (Parameter parameter : model.parameters()) {
                boolean hidden = parameter.name().contains("proj");
                double wanted = hidden ? parameter.name().contains("o_proj") ? 0.125 : 0.25 : 1;
                // Adam's first step under one gradient is its rate.
                double moved = (1 - parameter.value().reshape(-1).select(0, 0).item()) / 0.01;
                assertEquals(wanted, moved, 1e-4, parameter.name());
            }
        }
        refused(
                () -> Preparation.of(
                        recipe.with("optim", "sgd").without("parameter_groups").without("weight_decay"), note -> {}),
                "optim: sgd: the model's initialization multiplies rates");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "structure: decoder, position: learned, norm_placement: sandwich, qk_norm: true, attention_sinks: true",
                "structure: decoder, position: shaw, embedding_norm: true, attention_bias: true, mlp_bias: true",
                "structure: encoder, position: relative",
                "structure: encoder_decoder, position: relative, norm_placement: post"
            })
    void aPlanKnowsThePartOfEveryParameter(String model) {
        Block block = RecipeFile.load("model.yaml", "model: {" + SIZES + ", " + model + "}", List.of())
                .block("model");
        Task task = model.contains("encoder_decoder")
                ? Task.SEQ2SEQ_LM
                : model.contains("encoder") ? Task.MASKED_LM : Task.CAUSAL_LM;
        ModelSpec spec = ModelSpec.fromRecipe(block, 50, SpecialTokens.NONE, Optional.of(task));
        List<String> nowhere = spec.shapes().parameters().keySet().stream()
                .filter(name -> TrainingPlan.part(name).equals("other"))
                .toList();
        assertEquals(List.of(), nowhere);
    }

    /** With much text a tokenizer takes minutes. */
    @Test
    void aWrongKeyOfTheModelIsFoundBeforeATokenizerIsTrained() {
        List<String> notes = new ArrayList<>();
        Block recipe = TinyRuns.blockOf("{" + SIZES + ", position: alibi, qk_nrom: true}", folder);
        QuernException e = assertThrows(QuernException.class, () -> Preparation.of(recipe, notes::add));
        assertTrue(e.getMessage().contains("did you mean 'qk_norm'"), e.getMessage());
        assertEquals(List.of(), notes);
    }

    /** An optimizer that turns matrices must not turn what is a list of vectors. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "position: none, recurrence: transformer_xl | content_bias | r_proj.weight",
                "position: shaw | relative_k.weight | q_proj.weight",
                "position: none, attention: mamba | conv1d.weight | in_proj.weight",
                "feed_forward: moe | embed_tokens.weight | experts.down_proj"
            })
    void mapsAreToldFromOtherMatrices(String parts, String other, String map) {
        ModelSpec spec = ModelSpec.fromRecipe(
                RecipeFile.load("test", "{" + SIZES + ", " + parts + "}", List.of()), 11, SpecialTokens.NONE);
        try (LanguageModel model = LanguageModel.create(spec, DType.FP32, Device.CPU, 1)) {
            NetworkLayers layers = new NetworkLayers(model.network());
            for (Parameter p : model.parameters()) {
                if (p.name().endsWith(other)) {
                    assertEquals(ParameterRole.EMBEDDING, layers.role(p), p.name());
                } else if (p.name().endsWith(map)) {
                    assertEquals(ParameterRole.HIDDEN_MATRIX, layers.role(p), p.name());
                }
            }
        }
    }
}
