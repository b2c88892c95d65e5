package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.models.internal.Json;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsFolder;
import quern.tensor.SafetensorsWriter;
import quern.tensor.Tensor;

/** Folders and recipes that must be refused, each in one line that names what is wrong. */
class RefusalTest {
    @TempDir
    Path folder;

    @BeforeEach
    void save() {
        try (LanguageModel model = TestModels.create("llama")) {
            model.save(folder, SaveOptions.DEFAULT);
        }
    }

    private QuernException refused(ExitCode code, String... parts) {
        long handles = Tensor.keptHandles();
        QuernException e = assertThrows(
                QuernException.class,
                () -> LanguageModel.load(folder, DType.FP32, Device.CPU).close());
        assertEquals(handles, Tensor.keptHandles(), "a refused folder leaves nothing behind");
        return check(e, code, parts);
    }

    private static QuernException check(QuernException e, ExitCode code, String... parts) {
        assertEquals(code, e.exitCode(), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), () -> part + " in: " + e.getMessage());
        }
        return e;
    }

    private void config(Consumer<Map<String, Object>> change) throws IOException {
        Map<String, Object> json = Json.read(folder.resolve("config.json"));
        change.accept(json);
        Files.write(folder.resolve("config.json"), Json.format(json));
    }

    private void weights(Consumer<List<SafetensorsFile.Entry>> change) {
        List<SafetensorsFile.Entry> entries = new ArrayList<>();
        try (SafetensorsFolder files = SafetensorsFolder.open(folder)) {
            for (String name : files.names()) {
                SafetensorsFile.Entry e = files.entry(name);
                MemorySegment copy = MemorySegment.ofArray(e.bytes().toArray(ValueLayout.JAVA_BYTE));
                entries.add(new SafetensorsFile.Entry(name, e.dtype(), e.shape(), copy));
            }
        }
        change.accept(entries);
        SafetensorsWriter.write(folder.resolve("model.safetensors"), entries, Map.of("format", "pt"));
    }

    @Test
    void ownCode() throws IOException {
        config(c -> c.put("auto_map", Map.of("AutoModelForCausalLM", "modeling_x.X")));
        refused(ExitCode.BAD_INPUT, "config.json", "auto_map", "Python");
    }

    @Test
    void quantisedWeights() throws IOException {
        config(c -> c.put("quantization_config", Map.of("bits", 4)));
        refused(ExitCode.BAD_INPUT, "config.json", "quantization_config");
    }

    @Test
    void unknownFamily() throws IOException {
        config(c -> c.put("model_type", "lama"));
        refused(ExitCode.BAD_INPUT, "config.json", "'lama'", "did you mean 'llama'?");
        config(c -> c.remove("model_type"));
        refused(ExitCode.BAD_INPUT, "config.json", "model_type: missing");
    }

    @Test
    void unknownArchitecture() throws IOException {
        config(c -> c.put("architectures", List.of("LlamaForMultipleChoice")));
        refused(ExitCode.BAD_INPUT, "config.json", "LlamaForMultipleChoice", "LlamaForCausalLM");
    }

    @Test
    void missingFiles() throws IOException {
        Files.delete(folder.resolve("model.safetensors"));
        refused(ExitCode.BAD_INPUT, folder.toString(), "model.safetensors");
        Files.write(folder.resolve("pytorch_model.bin"), new byte[] {1});
        refused(ExitCode.BAD_INPUT, "pytorch_model.bin");
        Files.delete(folder.resolve("config.json"));
        refused(ExitCode.BAD_INPUT, "config.json: no such file");
        QuernException e = assertThrows(
                QuernException.class, () -> LanguageModel.load(folder.resolve("nowhere"), DType.FP32, Device.CPU));
        check(e, ExitCode.BAD_INPUT, "nowhere: no such folder");
    }

    @Test
    void brokenConfig() throws IOException {
        Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"llama\",\n \"hidden_size\": }");
        refused(ExitCode.FAILED, "config.json: not valid JSON (line 2)");
        Files.writeString(folder.resolve("config.json"), "[1]");
        refused(ExitCode.FAILED, "config.json: expected a JSON object");
    }

    @Test
    void badSettings() throws IOException {
        config(c -> c.put("num_attention_heads", 3));
        refused(ExitCode.BAD_INPUT, "config.json: num_attention_heads: 3 heads don't divide hidden_size 16");
        config(c -> c.put("num_attention_heads", "four"));
        refused(ExitCode.BAD_INPUT, "config.json: num_attention_heads: expected a whole number, found text 'four'");
        config(c -> {
            c.put("num_attention_heads", 4);
            c.put("num_key_value_heads", 3);
        });
        refused(ExitCode.BAD_INPUT, "config.json: num_key_value_heads: 3 doesn't divide");
        config(c -> {
            c.put("num_key_value_heads", 2);
            c.put("hidden_act", "silo");
        });
        refused(ExitCode.BAD_INPUT, "config.json: hidden_act: unknown activation 'silo'");
        config(c -> {
            c.put("hidden_act", "silu");
            c.remove("hidden_size");
        });
        refused(ExitCode.BAD_INPUT, "config.json: missing key 'hidden_size'");
    }

    @Test
    void missingTensors() {
        weights(entries -> entries.removeIf(e -> e.name().startsWith("model.layers")));
        refused(
                ExitCode.FAILED,
                folder.toString(),
                "18 tensors of the model are missing",
                "model.layers.0.input_layernorm.weight",
                "…");
    }

    @Test
    void leftOverTensors() {
        weights(entries -> {
            SafetensorsFile.Entry e = entries.getFirst();
            entries.add(new SafetensorsFile.Entry("model.layers.9.odd", e.dtype(), e.shape(), e.bytes()));
        });
        refused(ExitCode.FAILED, "1 tensors have no place in the model: model.layers.9.odd");
    }

    @Test
    void misshapenTensors() throws IOException {
        config(c -> c.put("vocab_size", TestModels.VOCABULARY + 1));
        refused(
                ExitCode.FAILED,
                "2 tensors have another shape",
                "model.embed_tokens.weight is [23, 16], expected [24, 16]");
    }

    @Test
    void buffersOfOlderVersionsAreLeftAside() {
        weights(entries -> entries.add(new SafetensorsFile.Entry(
                "model.layers.0.self_attn.rotary_emb.inv_freq",
                "F32",
                new long[] {2},
                MemorySegment.ofArray(new float[] {1, 2}))));
        LanguageModel.load(folder, DType.FP32, Device.CPU).close();
    }

    @Test
    void notANumber() {
        weights(entries -> {
            SafetensorsFile.Entry e = entries.stream()
                    .filter(x -> x.name().equals("model.norm.weight"))
                    .findFirst()
                    .orElseThrow();
            e.bytes().setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, 3, Float.NaN);
        });
        refused(ExitCode.FAILED, "'model.norm.weight' has 1 of 16 values that are NaN or infinite");
    }

    @Test
    void wholeNumbersForWeights() {
        weights(entries -> entries.replaceAll(e -> e.name().equals("model.norm.weight")
                ? new SafetensorsFile.Entry(e.name(), "I32", e.shape(), e.bytes())
                : e));
        refused(ExitCode.FAILED, "'model.norm.weight' has dtype I32, expected floating-point");
    }

    @Test
    void corruptWeights() throws IOException {
        Path file = folder.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
        refused(ExitCode.FAILED, "model.safetensors");
    }

    @Test
    void tiedWeightsThatDiffer() throws IOException {
        config(c -> c.put("tie_word_embeddings", true));
        refused(ExitCode.FAILED, "'lm_head.weight' differs from 'model.embed_tokens.weight'", "tie_word_embeddings");
    }

    @Test
    void anEqualCopyOfATiedWeightIsFine() throws IOException {
        config(c -> c.put("tie_word_embeddings", true));
        weights(entries -> {
            entries.removeIf(e -> e.name().equals("lm_head.weight"));
            SafetensorsFile.Entry e = entries.stream()
                    .filter(x -> x.name().equals("model.embed_tokens.weight"))
                    .findFirst()
                    .orElseThrow();
            entries.add(new SafetensorsFile.Entry("lm_head.weight", e.dtype(), e.shape(), e.bytes()));
        });
        LanguageModel.load(folder, DType.FP32, Device.CPU).close();
    }

    private static QuernException recipe(String family, Map<String, Object> changes) {
        return assertThrows(QuernException.class, () -> TestModels.spec(family, changes));
    }

    @Test
    void recipesNameTheirPlace() {
        check(
                recipe("gpt2", Map.of("family", "gpt")),
                ExitCode.BAD_INPUT,
                "recipe.yaml:3:1: unknown model 'gpt'",
                "did you mean 'gpt2'?");
        check(
                recipe("gpt2", Map.of("n_hed", 2)),
                ExitCode.BAD_INPUT,
                "recipe.yaml:3:1: unknown key 'n_hed' (did you mean 'n_head'?)");
        check(recipe("gpt2", Map.of("n_head", 2)), ExitCode.BAD_INPUT, "num_attention_heads", "n_head");
        check(recipe("gpt2", Map.of("num_attention_heads", 5)), ExitCode.BAD_INPUT, "n_head: 5 heads don't divide");
        check(recipe("gpt2", Map.of("dropout", 1.0)), ExitCode.BAD_INPUT, "dropout: 1.0 is out of range");
        check(
                recipe("gpt2", Map.of("activation_function", "gelo")),
                ExitCode.BAD_INPUT,
                "recipe.yaml:3:1: activation_function: unknown activation 'gelo'");
        check(
                recipe("llama", Map.of("vocab_size", 10)),
                ExitCode.BAD_INPUT,
                "recipe.yaml:3:1: vocab_size: 10 is smaller than the tokenizer's 23");
        check(
                recipe("llama", Map.of("rope_parameters", Map.of("rope_type", "ntk"))),
                ExitCode.BAD_INPUT,
                "rope_type: unknown type 'ntk'");
        check(recipe("llama", Map.of("pad_token_id", 23)), ExitCode.BAD_INPUT, "pad_token_id: 23 is outside");
    }
}
