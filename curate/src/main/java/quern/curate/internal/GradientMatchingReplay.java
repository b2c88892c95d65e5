package quern.curate.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.curate.GradientMatching;
import quern.models.LanguageModel;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.TokenEmbedding;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFile;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Replays cases of kind {@code dataset_distillation}: a model folder beside {@code golden.safetensors}, which holds learnt rows
 * ({@code inputs_embeds} [S, T, D], {@code target_logits} [S, T, V], {@code weights} [S, T]), text ({@code input_ids} and {@code
 * targets} [B, T]) and what is expected: {@code distance} [1], and its derivatives by {@code inputs_embeds} and {@code
 * target_logits}. The error of the distance is relative, that of a derivative max |a-b| / max |b|.
 */
public final class GradientMatchingReplay implements GoldenReplay {
    @Override
    public String kind() {
        return "dataset_distillation";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        try (Scope scope = Scope.open();
                LanguageModel model = LanguageModel.load(golden.folder(), DType.FP32, Device.CPU)) {
            Map<String, Tensor> tensors = read(golden.folder().resolve("golden.safetensors"));
            Network network = model.network();
            network.segments().stream()
                    .filter(TokenEmbedding.class::isInstance)
                    .map(TokenEmbedding.class::cast)
                    .forEach(embedding -> embedding.table().setTrainable(false));
            List<Tensor> parameters = network.parameters().stream()
                    .filter(Parameter::isTrainable)
                    .map(Parameter::value)
                    .toList();
            Tensor targets = tensors.get("targets");
            Tensor counted = targets.ge(0).to(DType.FP32);
            Flow text = new Flow()
                    .put("input_ids", tensors.get("input_ids"))
                    .put("targets", targets)
                    .put("weights", counted.div(counted.sum()));
            Tensor vectors = tensors.get("inputs_embeds").requiresGrad_(true);
            Tensor targetLogits = tensors.get("target_logits").requiresGrad_(true);
            GradientMatching.Distance distance = GradientMatching.distance(
                    GradientMatching.gradientOfRows(network, parameters, vectors, targetLogits, tensors.get("weights")),
                    GradientMatching.gradientOfText(network, parameters, text));
            List<Tensor> derivatives = Autograd.grad(
                    List.of(distance.sum()),
                    List.of(vectors, targetLogits),
                    List.of(Tensor.full(1, DType.FP32, Device.CPU)),
                    false,
                    false);
            List<GoldenCheck> checks = new ArrayList<>();
            double expected = tensors.get("distance").item();
            checks.add(GoldenCheck.of(
                    "distance", Math.abs(distance.sum().item() - expected) / expected, golden.tolerance("distance")));
            checks.add(GoldenCheck.of(
                    "outputs",
                    Math.abs(distance.outputs() - golden.json().path("outputs").asLong()),
                    0));
            checks.add(GoldenCheck.of(
                    "derivative by inputs_embeds",
                    error(derivatives.get(0), tensors.get("distance_by_inputs_embeds")),
                    golden.tolerance("derivatives")));
            checks.add(GoldenCheck.of(
                    "derivative by target_logits",
                    error(derivatives.get(1), tensors.get("distance_by_target_logits")),
                    golden.tolerance("derivatives")));
            return checks;
        }
    }

    private static double error(Tensor found, Tensor expected) {
        return found.sub(expected).abs().max().item() / expected.abs().max().item();
    }

    private static Map<String, Tensor> read(Path file) {
        Map<String, Tensor> tensors = new HashMap<>();
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            for (String name : List.of(
                    "inputs_embeds",
                    "target_logits",
                    "weights",
                    "input_ids",
                    "targets",
                    "distance",
                    "distance_by_inputs_embeds",
                    "distance_by_target_logits")) {
                if (!opened.contains(name)) {
                    throw QuernException.badInput("%s: no tensor '%s'; the case needs it", file, name);
                }
                SafetensorsFile.Entry entry = opened.entry(name);
                DType dtype = DType.ofSafetensors(entry.dtype(), file.toString(), name);
                tensors.put(name, Tensor.copyOf(entry.bytes(), dtype, entry.shape()));
            }
        }
        return tensors;
    }
}
