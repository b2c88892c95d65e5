package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.models.LanguageModel;
import quern.nn.Network;
import quern.optim.CompositeOptimizer;
import quern.optim.Optimizer;
import quern.optim.ParameterRole;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Which parameter gets which rate, decay and optimizer, and which groups are refused. */
class ParameterGroupsTest {
    /** Rates are products of a few factors, and the update is rounded once: weights are of size 1, updates of 0.01. */
    private static final double TOLERANCE = 2e-5;

    @TempDir
    Path folder;

    private Block recipe(String groups, String... overrides) {
        String text = TinyRuns.recipe(folder).replace("weight_decay: 0.1\n", "") + groups;
        return RecipeFile.load("tiny.yaml", text, List.of(overrides));
    }

    /** How far each parameter's first element moves in one SGD step of rate 0.01 under a gradient of 1. */
    private Map<String, Double> moves(String groups) {
        return moves(recipe("optim: sgd\n" + groups), 1);
    }

    private static Map<String, Double> moves(Block recipe, double gradient) {
        Preparation preparation = Preparation.of(recipe, note -> {});
        Map<String, Double> moves = new LinkedHashMap<>();
        try (LanguageModel model = preparation.model();
                Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter p : model.parameters()) {
                p.value().fill_(1);
                p.value()
                        .setGrad(Tensor.full(
                                gradient, DType.FP32, Device.CPU, p.value().shape()));
            }
            try (Optimizer optimizer = preparation.optimizer(model.network())) {
                optimizer.step(0.01, 1);
            }
            for (Parameter p : model.parameters()) {
                moves.put(
                        p.name().replace("transformer.", ""),
                        (1 - p.value().reshape(-1).select(0, 0).item()) / 0.01);
            }
        }
        return moves;
    }

    private static void assertMoves(Map<String, Double> expected, Map<String, Double> moves) {
        expected.forEach((name, move) -> assertEquals(move, moves.get(name), TOLERANCE, name));
    }

    @Test
    void ratesFallFromLayerToLayer() {
        assertMoves(
                Map.of(
                        "wte.weight", 0.125,
                        "wpe.weight", 0.125,
                        "h.0.ln_1.weight", 0.25,
                        "h.0.mlp.c_fc.weight", 0.25,
                        "h.1.attn.c_attn.bias", 0.5,
                        "ln_f.weight", 1.0),
                moves("layer_lr_decay: {factor: 0.5}\n"));
        assertMoves(
                Map.of("wte.weight", 1.0, "h.0.ln_1.weight", 0.5, "h.1.attn.c_attn.bias", 0.25, "ln_f.bias", 0.125),
                moves("layer_lr_decay: {factor: 0.5, toward: output}\n"));
    }

    @Test
    void theFirstGroupThatMatchesCounts() {
        Map<String, Double> moves = moves("""
                layer_lr_decay: {factor: 0.5}
                parameter_groups:
                  - {pattern: 'ln_f', learning_rate: 0.02}
                  - {pattern: 'bias$', learning_rate_factor: 3}
                  - {pattern: '^transformer\\.h\\.0\\.', learning_rate: 0}
                """);
        assertMoves(
                Map.of(
                        "ln_f.bias", 2.0,
                        "ln_f.weight", 2.0,
                        "h.1.ln_1.bias", 1.5,
                        "h.0.ln_1.bias", 0.75,
                        "h.0.ln_1.weight", 0.0,
                        "h.1.ln_1.weight", 0.5),
                moves);
    }

    @Test
    void vectorsDecayOnlyWhereAGroupSaysSo() {
        // Without a gradient SGD moves by rate · decay · weight, and weights are 1.
        Block recipe = recipe("""
                optim: sgd
                weight_decay: 0.5
                parameter_groups: [{pattern: 'ln_f.weight', weight_decay: 0.2}, {pattern: 'wpe', weight_decay: 0}]
                """);
        assertMoves(
                Map.of("ln_f.weight", 0.2, "ln_f.bias", 0.0, "wpe.weight", 0.0, "wte.weight", 0.5), moves(recipe, 0));
    }

    @Test
    void groupsMayHaveAnotherOptimizer() {
        Block recipe = recipe("""
                optim: sgd
                parameter_groups:
                  - {pattern: 'wte', optim: adamw, learning_rate: 0.05}
                  - {pattern: 'wpe', optim: adamw, adam_beta1: 0.5}
                  - {pattern: 'ln_f', optim_args: {momentum: 0.5}}
                  - {pattern: 'h.1.ln_1', optim: adamw}
                """);
        // Adam's first step is the rate itself whatever the gradient's size.
        assertMoves(
                Map.of(
                        "wte.weight",
                        5.0,
                        "wpe.weight",
                        1.0,
                        "ln_f.bias",
                        0.5,
                        "h.1.ln_1.bias",
                        1.0,
                        "h.0.ln_1.bias",
                        0.5),
                moves(recipe, 0.5));
        Preparation preparation = Preparation.of(recipe, note -> {});
        try (LanguageModel model = preparation.model();
                Optimizer optimizer = preparation.optimizer(model.network())) {
            // SGD, AdamW, AdamW with the other beta, SGD with momentum.
            assertEquals(4, ((CompositeOptimizer) optimizer).members().size());
            assertTrue(optimizer.state().containsKey("exp_avg/transformer.wte.weight"));
            assertTrue(optimizer.state().containsKey("momentum_buffer/transformer.ln_f.bias"));
            assertEquals(
                    1,
                    optimizer.state().keySet().stream()
                            .filter(name -> name.endsWith("/transformer.h.0.ln_1.bias"))
                            .count());
        }
    }

    @Test
    void rolesFollowFromTheSegments() {
        try (Network network = Preparation.of(recipe(""), note -> {}).spec().outline()) {
            NetworkLayers layers = new NetworkLayers(network);
            Map<String, ParameterRole> expected = Map.of(
                    "transformer.wte.weight", ParameterRole.EMBEDDING,
                    "transformer.wpe.weight", ParameterRole.EMBEDDING,
                    "transformer.h.0.attn.c_attn.weight", ParameterRole.HIDDEN_MATRIX,
                    "transformer.h.1.mlp.c_proj.bias", ParameterRole.VECTOR,
                    "transformer.ln_f.weight", ParameterRole.VECTOR);
            for (Parameter p : network.parameters()) {
                if (expected.containsKey(p.name())) {
                    assertEquals(expected.get(p.name()), layers.role(p), p.name());
                }
            }
        }
    }

    @Test
    void runsWithGroupsResumeToTheSameBits() {
        String groups = """
                layer_lr_decay: {factor: 0.8}
                parameter_groups:
                  - {pattern: 'attn.*weight$', optim: muon, learning_rate: 0.02, optim_args: {ns_steps: 4}}
                  - {pattern: 'mlp', optim: sgd, optim_args: {momentum: 0.9}, learning_rate: 0.1}
                  - {pattern: 'bias$', learning_rate_factor: 2, weight_decay: 0.01}
                """;
        Path whole = TinyRuns.train(recipe(groups)).folder();
        Path part = TinyRuns.trainUntil(recipe(groups), 5).folder();
        TinyRuns.resume(part);
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors")) {
            assertEquals(
                    TinyRuns.content(whole.resolve("checkpoint-12")).get(file),
                    TinyRuns.content(part.resolve("checkpoint-12")).get(file),
                    file);
        }
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(part));
    }

    /** The recipe has 13 lines, then {@code parameter_groups:}, then the group on line 15. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{pattern: mlp.c_fcc, weight_decay: 1} | tiny.yaml:15:6: pattern: 'mlp.c_fcc' matches none of the 28 parameters; near it are transformer.h.0.mlp.c_fc.weight",
                "{pattern: '*.bias', weight_decay: 1} | tiny.yaml:15:6: pattern: '*.bias' is no regular expression",
                "{pattern: bias, learning_rate: -1} | tiny.yaml:15:21: learning_rate: -1 is out of range; expected at least 0",
                "{pattern: bias, learning_rate: 1, learning_rate_factor: 2} | tiny.yaml:15:39: learning_rate_factor: given beside learning_rate",
                "{pattern: bias} | tiny.yaml:15:6: pattern: the group sets nothing",
                "{pattern: bias, optim: adamv} | tiny.yaml:15:21: unknown optim 'adamv' (did you mean 'adam'?)",
                "{pattern: bias, optim: sgd, adam_beta1: 0.5} | tiny.yaml:15:33: adam_beta1 has no effect on optim: sgd",
                "{pattern: bias, optim: adamw} | tiny.yaml:15:21: optim: the group is updated as the recipe says",
                "{pattern: bias, optim_args: {fusd: true}} | tiny.yaml:15:34: unknown key 'fusd' (did you mean 'fused'?)",
                "{pattern: bias, weightdecay: 1} | tiny.yaml:15:21: unknown key 'weightdecay' (did you mean 'weight_decay'?)",
                "{pattern: bias, optim: adafactor} | tiny.yaml:15:21: a group's rate follows the recipe's schedule, but adafactor sets its own; set the group's optim_args.relative_step: false",
                "{weight_decay: 1} | tiny.yaml:15:5: missing key 'pattern'",
                "{pattern: ., optim: sgd}, {pattern: wte, optim: adam} | tiny.yaml:15:32: pattern: 'wte' matches only parameters that earlier groups have, such as 'transformer.wte.weight'",
            })
    void refusesWithThePlace(String group, String expected) {
        String groups = "parameter_groups:\n  [ " + group + " ]\n";
        QuernException e = assertThrows(QuernException.class, () -> Preparation.of(recipe(groups), note -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith(expected), e.getMessage());
    }

    @Test
    void anOptimizerThatNothingIsLeftForIsRefused() {
        String groups = "optim: adamw\nparameter_groups: [{pattern: ., optim: sgd}]\n";
        QuernException e = assertThrows(QuernException.class, () -> Preparation.of(recipe(groups), note -> {}));
        assertTrue(e.getMessage().contains("optim: has no effect, since parameter_groups give"), e.getMessage());
        Preparation.of(recipe("parameter_groups: [{pattern: ., optim: sgd}]\n"), note -> {});
    }
}
