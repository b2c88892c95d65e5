package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The top-level recipe: defaults, checks across keys and the answers to other tools' names. */
class RecipeTest {
    private static final String LEAST = """
            model: {family: llama, hidden_size: 64}
            data: {path: text.txt}
            """;

    private static Recipe recipe(String more) {
        return Recipe.from(RecipeFile.load("test.yaml", LEAST + more, List.of()));
    }

    private static String refusal(String more) {
        QuernException refused = assertThrows(QuernException.class, () -> recipe(more));
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertEquals(1, refused.getMessage().lines().count(), refused.getMessage());
        return refused.getMessage();
    }

    @Test
    void leastRecipeTakesTheDocumentedDefaults() {
        Recipe recipe = recipe("max_steps: 20");
        assertEquals(Path.of("runs/quern"), recipe.outputDir());
        assertEquals(1, recipe.seed());
        assertEquals(Precision.FP32, recipe.precision());
        assertEquals(Optional.empty(), recipe.tokenizer());
        assertEquals(Map.of("type", "causal_lm"), recipe.objective().toMap());
        assertEquals("adamw", recipe.optim());
        assertTrue(recipe.optimArgs().keys().isEmpty());
        assertEquals(1e-3, recipe.learningRate());
        assertEquals(0.0, recipe.weightDecay());
        assertEquals(0.9, recipe.adamBeta1());
        assertEquals(0.999, recipe.adamBeta2());
        assertEquals(1e-8, recipe.adamEpsilon());
        assertEquals(1.0, recipe.maxGradNorm());
        assertEquals("linear", recipe.lrSchedulerType());
        assertTrue(recipe.lrSchedulerKwargs().keys().isEmpty());
        assertEquals(0.0, recipe.warmupSteps());
        assertEquals(8, recipe.perDeviceTrainBatchSize());
        assertEquals(8, recipe.perDeviceEvalBatchSize());
        assertEquals(1, recipe.gradientAccumulationSteps());
        assertEquals(20, recipe.maxSteps());
        assertEquals(Optional.empty(), recipe.numTrainEpochs());
        assertEquals(10, recipe.loggingSteps());
        assertEquals(Optional.empty(), recipe.evalSteps());
        assertEquals(500, recipe.saveSteps());
        assertEquals(500, recipe.evaluationSteps());
        assertEquals(2, recipe.saveTotalLimit());
        assertTrue(recipe.saveAsync());
        assertFalse(recipe.loadBestModelAtEnd());
        assertEquals("eval_loss", recipe.metricForBestModel());
        assertEquals(0, recipe.earlyStoppingPatience());
        assertEquals(0.0, recipe.earlyStoppingThreshold());
        assertFalse(recipe.gradientCheckpointing());
        assertEquals(0, recipe.sampleSteps());
        assertEquals("", recipe.samplePrompt());
        assertEquals(64, recipe.sampleMaxNewTokens());
        assertEquals(0, recipe.threads());
        assertEquals("cpu", recipe.device());
        assertTrue(recipe.tensorboard());
    }

    @Test
    void everyKeyReachesItsComponent() {
        Recipe recipe = recipe("""
                tokenizer: char
                objective: {type: masked_lm, mask_share: 0.2}
                precision: bf16
                num_train_epochs: 2
                eval_steps: 25
                warmup_steps: 0.05
                device: cuda
                """);
        assertEquals(Map.of("type", "char"), recipe.tokenizer().orElseThrow().toMap());
        assertEquals("masked_lm", recipe.objective().text("type"));
        assertEquals(Precision.BF16, recipe.precision());
        assertEquals(Optional.of(2.0), recipe.numTrainEpochs());
        assertEquals(0, recipe.maxSteps());
        assertEquals(25, recipe.evaluationSteps());
        assertEquals(0.05, recipe.warmupSteps());
        assertEquals("cuda", recipe.device());
    }

    @Test
    void namesEachOptimizerOnce() {
        String groups = "[{pattern: a, optim: lion}, {pattern: b, weight_decay: 0.1}, {pattern: c, optim: lion}]";
        assertEquals(
                List.of("adamw", "lion"),
                recipe("max_steps: 5\nparameter_groups: " + groups).optimizers());
    }

    @Test
    void numbersStandForBlocksAndAdafactorForAnOptimizer() {
        Recipe recipe = recipe("max_steps: 5\ndropout: 0.1\nagc: 0.02\nadafactor: true");
        assertEquals(Optional.of(0.1), recipe.dropout().orElseThrow().all());
        assertEquals(Optional.empty(), recipe.dropout().orElseThrow().attention());
        assertEquals(new AgcSettings(0.02, 1e-3, true), recipe.agc().orElseThrow());
        assertEquals("adafactor", recipe.optim());
        assertEquals(
                Map.of("scale_parameter", false, "relative_step", false),
                recipe.optimArgs().toMap());
        Recipe kept = recipe("max_steps: 5\nadafactor: true\noptim_args: {relative_step: true}");
        assertEquals(
                Map.of("scale_parameter", false, "relative_step", true),
                kept.optimArgs().toMap());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "learning_rate: 1 | test.yaml:1:1: max_steps: expected max_steps or num_train_epochs, found neither",
                "max_steps: 0 | test.yaml:3:1: max_steps: expected max_steps or num_train_epochs, found neither",
                "max_steps: 5, num_train_epochs: 1 | test.yaml:4:1: num_train_epochs: given beside max_steps",
                "max_steps: 5, warmup_steps: 1.5 | warmup_steps: 1.5 is neither a whole number",
                "max_steps: 5, early_stopping_threshold: 0.1 | early_stopping_threshold: has no effect",
                "max_steps: 5, early_stopping_patience: 2, eval_steps: 0 | without evaluations; set eval_steps",
                "max_steps: 5, metric_for_best_model: ' ' | metric_for_best_model: expected a metric's name",
                "max_steps: 5, device: gpu | device: expected cpu or cuda, found 'gpu'",
                "max_steps: 5, adam_beta1: 1 | adam_beta1: 1 is out of range; expected at least 0 and below 1",
                "max_steps: 5, adam_epsilon: 0 | adam_epsilon: 0 is out of range; expected above 0",
                "max_steps: 5, label_smoothing_factor: 1.5 | test.yaml:4:1: label_smoothing_factor: 1.5 is out of range",
                "max_steps: 5, z_loss: -1 | test.yaml:4:1: z_loss: -1 is out of range",
                "max_steps: 5, neftune_noise_alpha: 0 | test.yaml:4:1: neftune_noise_alpha: 0 is out of range",
                "max_steps: 5, max_grad_value: -1 | test.yaml:4:1: max_grad_value: -1 is out of range",
                "max_steps: 5, agc: true | test.yaml:4:1: agc: expected a number or a block of keys, found true",
                "max_steps: 5, agc: -1 | test.yaml:4:1: clip_factor: -1 is out of range",
                "max_steps: 5, agc: {epsilon: 1} | test.yaml:4:7: unknown key 'epsilon'",
                "max_steps: 5, dropout: 1 | test.yaml:4:1: all: 1 is out of range; expected at least 0 and below 1",
                "max_steps: 5, dropout: {} | test.yaml:4:10: dropout: no rate is given",
                "max_steps: 5, dropout: {atention: 0.1} | test.yaml:4:11: unknown key 'atention' (did you mean 'attention'?)",
                "max_steps: 5, layer_lr_decay: {factor: 2} | test.yaml:4:18: factor: 2 is out of range",
                "max_steps: 5, layer_lr_decay: 0.9 | layer_lr_decay: expected a block of keys",
                "max_steps: 5, adafactor: true, optim: adamw | test.yaml:4:1: adafactor: means optim: adafactor, but optim: adamw is given too",
                "max_steps: 5, loss_scale: {initial: 8} | loss_scale: has no effect without precision: fp16 or dynamic",
                "max_steps: 5, precision: fp16, loss_scale: {floor: 2e9} | floor: 2.0E9 is above initial, 65536.0",
                "max_steps: 5, precision: fp16, loss_scale: {backoff_factor: 1} | backoff_factor: 1 is out of range",
                "max_steps: 5, precision: fp16, dynamic_precision: {} | dynamic_precision: has no effect without",
                "max_steps: 5, precision: dynamic, dynamic_precision: {overflows: 9; window: 3} | do not fit into a window",
                "max_steps: 5, save_steps: 0, spike_guard: {action: rewind} | save_steps: 0 makes none on the way",
                "max_steps: 5, spike_guard: {action: stop} | action: expected one of skip, rewind, found 'stop'",
                "max_steps: 5, spike_guard: {threshold: 0} | threshold: 0 is out of range; expected above 0",
                "max_steps: 5, gradient_accumulation_steps: 4, batch_size_warmup: {start: 12; steps: 3} | start: expected a multiple of per_device_train_batch_size, 8",
                "max_steps: 5, batch_size_warmup: {start: 8; steps: 3} | below the whole batch of 8",
                "max_steps: 5, per_device_train_batch_size: 1, gradient_noise_scale: {} | needs two sequences or more",
                "max_steps: 5, gradient_noise_scale: {decay: 1} | decay: 1 is out of range",
                "max_steps: 5, precision: fp17 | precision: expected one of fp32, bf16, fp16, dynamic, found 'fp17'",
                "max_steps: 5, model.norm: rms_norm | unknown key 'model.norm'; dots reach into blocks in KEY=VALUE alone, here it is written model: {norm: …}",
                "max_steps: 5, model.position.type: alibi | here it is written model: {position: {type: …}}",
                "max_steps: 5, lerning_rate: 1 | unknown key 'lerning_rate' (did you mean 'learning_rate'?)",
            })
    void refusesWithPlaceAndReason(String more, String expected) {
        String message = refusal(more.replace(", ", "\n").replace(";", ","));
        assertTrue(message.contains(expected), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "micro_batch_size: 2 | axolotl's name; here it is 'per_device_train_batch_size'",
                "lr: 2 | unknown key 'lr': here it is 'learning_rate'",
                "num_epochs: 2 | axolotl's name; here it is 'num_train_epochs'",
                "bf16: true | Hugging Face's name; here it is 'precision: bf16'",
                "cutoff_len: 2 | LLaMA-Factory's name; here it is 'data.max_length'",
                "warmup_ratio: 0.1 | Hugging Face's name; write the share as 'warmup_steps'",
                "model_name_or_path: x | LLaMA-Factory's name; here it is 'model.path'",
                "gradient_clipping: 1 | DeepSpeed's name; here it is 'max_grad_norm'",
                "label_smoothing: 0.1 | here it is 'label_smoothing_factor'",
                "layer_decay: 0.7 | timm's name; here it is 'layer_lr_decay'",
                "lora_r: 8 | axolotl's name; this version trains all weights and has no adapters",
                "xyzzy: 8 | unknown key 'xyzzy'; 'quern schema' lists the keys",
            })
    void answersOtherToolsNames(String key, String expected) {
        String message = refusal("max_steps: 5\n" + key);
        assertTrue(message.startsWith("test.yaml:4:1: unknown key '"), message);
        assertTrue(message.contains(expected), message);
    }

    @Test
    void everyForeignNameIsAnsweredWithAKeyThatExists() {
        List<String> ours = Arrays.stream(Recipe.class.getRecordComponents())
                .map(Block::key)
                .toList();
        ForeignName.all().forEach((name, foreign) -> {
            assertFalse(ours.contains(name), name + " is our own key");
            foreign.topLevelKey().ifPresent(key -> assertTrue(ours.contains(key), name + " is answered with " + key));
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"model", "data"})
    void requiresModelAndData(String key) {
        Block block = RecipeFile.load("test.yaml", LEAST + "max_steps: 1", List.of());
        QuernException refused = assertThrows(QuernException.class, () -> Recipe.from(block.without(key)));
        assertEquals("test.yaml:1:1: missing key '" + key + "'", refused.getMessage());
    }
}
