package quern.bench;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.SafetensorsFile.Entry;
import quern.tensor.SafetensorsWriter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Writes {@code roundtrip.safetensors} into model folders: a text's {@code input_ids} [1, T] and the fp32 {@code logits}
 * [1, T, V] that Quern computes for them, which {@code reference/check_saved.py} compares with transformers'.
 */
public final class SavedLogits {
    private static final String TEXT = "Once upon a time there was a miller who lived by the river and sang all day.\n";
    private static final int MOST_TOKENS = 48;

    private SavedLogits() {}

    /** Takes the folders. */
    public static void main(String[] folders) {
        for (String name : folders) {
            Path folder = Path.of(name);
            int[] ids = Tokenizer.load(folder).encode(TEXT);
            long[] tokens = new long[Math.min(ids.length, MOST_TOKENS)];
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] = ids[i];
            }
            try (LanguageModel model = LanguageModel.load(folder, DType.FP32, Device.CPU);
                    Scope scope = Scope.open()) {
                Tensor input = Tensor.of(tokens, 1, tokens.length);
                Tensor logits = model.logits(input, null).contiguous();
                SafetensorsWriter.write(
                        folder.resolve("roundtrip.safetensors"),
                        List.of(
                                new Entry("input_ids", "I64", input.shape(), input.memory()),
                                new Entry("logits", "F32", logits.shape(), logits.memory())),
                        Map.of("format", "pt"));
                System.out.println(folder + ": logits of " + tokens.length + " tokens");
            }
        }
    }
}
