package quern.models;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import quern.nn.DecoderInputs;
import quern.nn.DecoderPositions;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFile;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * A golden case of kind {@code model}: inputs of a model and what transformers computed from them. The error of a tensor is max |a - b| / max(1, max |b|), that of a gradient max |a - b| / max(max |b|, 1e-3 · the largest
 * gradient of the model).
 */
public final class ModelGolden implements AutoCloseable {
    /** A gradient far below the model's largest is compared on this share of the latter's scale. */
    private static final double GRADIENT_FLOOR = 1e-3;

    private static final List<String> INPUTS = List.of(
            "input_ids", "attention_mask", "token_type_ids", "task_type_ids", "pixel_values", DecoderPositions.INPUT);

    private static final List<String> LABELS =
            List.of("labels", "next_sentence_label", "start_positions", "end_positions");

    /** What heads give; a case has those of its architecture. */
    private static final List<String> OUTPUTS = List.of(
            "logits",
            "seq_relationship_logits",
            "start_logits",
            "end_logits",
            "last_hidden_state",
            "pooler_output",
            "reconstruction");

    /** Tasks whose outputs have a row a token of {@code input_ids}, so that padded ones don't count. */
    private static final Set<Task> TOKEN_OUTPUTS = EnumSet.of(
            Task.CAUSAL_LM,
            Task.MASKED_LM,
            Task.PRE_TRAINING,
            Task.TOKEN_CLASSIFICATION,
            Task.QUESTION_ANSWERING,
            Task.MODEL);

    private final GoldenCase golden;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final Map<String, Tensor> gradients = new LinkedHashMap<>();
    private boolean masksPadding = true;

    /** Reads the case's tensors. */
    public ModelGolden(GoldenCase golden) {
        this.golden = golden;
        boolean done = false;
        try {
            read(golden.folder().resolve("golden.safetensors"), tensors);
            read(golden.folder().resolve("golden_grads.safetensors"), gradients);
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private static void read(Path file, Map<String, Tensor> into) {
        try (SafetensorsFile f = SafetensorsFile.open(file);
                Scope scope = Scope.open()) {
            for (String name : f.names()) {
                SafetensorsFile.Entry e = f.entry(name);
                DType dtype = DType.ofSafetensors(e.dtype(), file.toString(), name);
                into.put(name, Tensor.copyOf(e.bytes(), dtype, e.shape()).keep());
            }
        }
    }

    /**
     * Gives the model no mask of padding from now on, so that a plain causal mask is all there is. Nothing that is compared
     * changes: rows are padded behind their text, where no counted position of a causal model sees.
     *
     * @throws QuernException bad input when the model isn't causal, or a row is padded before its text
     */
    public ModelGolden withoutPaddingMask() {
        String architecture = golden.json().path("architecture").asString("");
        if (!architecture.endsWith("ForCausalLM") && !architecture.endsWith("LMHeadModel")) {
            throw QuernException.badInput(
                    "%s: %s needs its mask of padding; only a causal language model does without",
                    golden.folder(), architecture);
        }
        long[] mask = tensor("attention_mask").toLongs();
        int width = (int) tensor("attention_mask").size(1);
        for (int i = 0; i < mask.length; i++) {
            if (i % width != 0 && mask[i] > mask[i - 1]) {
                throw QuernException.badInput("%s: row %d is padded before its text", golden.folder(), i / width);
            }
        }
        masksPadding = false;
        return this;
    }

    /** The names of the model's segments that take their hand-written form in a pass over the case's batch. */
    public List<String> handWritten(LanguageModel model, Pass pass) {
        try (Scope scope = Scope.open();
                Tape tape = model.network().forward(model.lossInputs(batch(model, true)), pass)) {
            return tape.handWritten();
        }
    }

    /** The case's model in fp32 on the CPU. */
    public LanguageModel load() {
        return LanguageModel.load(golden.folder(), DType.FP32, Device.CPU);
    }

    /** A tensor of the case; bad input when it is not there. */
    public Tensor tensor(String name) {
        Tensor t = tensors.get(name);
        if (t == null) {
            throw QuernException.badInput(
                    "%s: no tensor '%s'; it has %s",
                    golden.folder().resolve("golden.safetensors"), name, String.join(", ", tensors.keySet()));
        }
        return t;
    }

    /** Whether the case has a tensor of that name. */
    boolean has(String name) {
        return tensors.containsKey(name);
    }

    /** The expected losses before each of ten AdamW steps. */
    public double[] adamwLosses() {
        float[] losses = tensor("adamw_losses").toFloats();
        double[] result = new double[losses.length];
        for (int i = 0; i < losses.length; i++) {
            result[i] = losses[i];
        }
        return result;
    }

    /**
     * The loss on the case's batch; gradients are added to the parameters. What an optimizer step starts from.
     *
     * @param pass an evaluation pass, since the reference has dropout off
     */
    public double lossAndGradients(LanguageModel model, Pass pass) {
        try (Scope scope = Scope.open()) {
            Flow inputs = model.lossInputs(batch(model, true));
            try (Tape tape = model.network().forward(inputs, pass)) {
                double loss = tape.get("loss").item();
                tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, model.device(), 1)));
                return loss;
            }
        }
    }

    /** The case's inputs, with or without its labels. */
    private Map<String, Tensor> batch(LanguageModel model, boolean labelled) {
        Map<String, Tensor> batch = new LinkedHashMap<>();
        for (String name : INPUTS) {
            if (tensors.containsKey(name) && (masksPadding || !name.equals("attention_mask"))) {
                batch.put(name, tensor(name));
            }
        }
        if (labelled) {
            for (String name : LABELS) {
                if (tensors.containsKey(name)) {
                    batch.put(name, tensor(name));
                }
            }
        } else if (tensors.containsKey("labels")) {
            EncoderDecoderConfig.of(model.config())
                    .ifPresent(config -> batch.putIfAbsent(
                            DecoderPositions.INPUT,
                            DecoderInputs.shiftRight(tensor("labels"), config.decoderStart(), config.padding())));
        }
        return batch;
    }

    /** The outputs that the case has, in fp32, by the case's names. */
    private Map<String, Tensor> outputs(LanguageModel model) {
        Flow flow = model.outputs(batch(model, false));
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        for (String name : OUTPUTS) {
            if (tensors.containsKey(name)) {
                outputs.put(name, flow.get(name.equals("last_hidden_state") ? "hidden_states" : name));
            }
        }
        if (outputs.isEmpty()) {
            throw QuernException.badInput(
                    "%s: no expected output; it needs one of %s",
                    golden.folder().resolve("golden.safetensors"), String.join(", ", OUTPUTS));
        }
        return outputs;
    }

    /** The largest error of the logits (or other outputs of the case's head) at positions that are not padded. */
    public double logitsError(LanguageModel model) {
        double worst = 0;
        try (Scope scope = Scope.open()) {
            for (Map.Entry<String, Tensor> e : outputs(model).entrySet()) {
                Tensor expected = tensor(e.getKey());
                Tensor found = e.getValue().to(DType.FP32);
                if (!Arrays.equals(found.shape(), expected.shape())) {
                    return Double.POSITIVE_INFINITY;
                }
                Tensor padded = padded(model, expected);
                if (padded != null) {
                    found = found.maskedFill(padded, 0);
                    expected = expected.maskedFill(padded, 0);
                }
                worst = Math.max(worst, error(found, expected, 1));
            }
        }
        return worst;
    }

    /** True at padded positions, shaped to fill {@code output}; {@code null} when all positions count. */
    private Tensor padded(LanguageModel model, Tensor output) {
        Tensor mask = tensors.get("attention_mask");
        if (mask == null
                || !TOKEN_OUTPUTS.contains(model.spec().task())
                || output.dim() < 2
                || output.size(0) != mask.size(0)
                || output.size(1) != mask.size(1)) {
            return null;
        }
        Tensor padded = mask.eq(0);
        return output.dim() == 3 ? padded.unsqueeze(-1) : padded;
    }

    /** The worst error of the gradients that the parameters hold now, by name. */
    public Map<String, Double> gradientErrors(LanguageModel model) {
        CheckpointKeys keys = model.spec().keys();
        Map<String, Double> errors = new LinkedHashMap<>();
        try (Scope scope = Scope.open()) {
            double largest = 0;
            for (Tensor g : gradients.values()) {
                largest = Math.max(largest, g.abs().max().item());
            }
            for (Parameter p : model.parameters()) {
                Tensor expected = gradients.get(p.name());
                Tensor found = p.grad();
                if (expected == null || !found.isDefined()) {
                    if (expected != null || found.isDefined()) {
                        errors.put(p.name(), Double.POSITIVE_INFINITY);
                    }
                    continue;
                }
                Tensor g = keys.isTransposed(p.name()) ? found.t() : found;
                errors.put(p.name(), error(g.to(DType.FP32), expected, GRADIENT_FLOOR * largest));
            }
        }
        for (String name : gradients.keySet()) {
            errors.putIfAbsent(name, Double.POSITIVE_INFINITY);
        }
        return errors;
    }

    /** How many of the greedily decoded tokens differ; the case must hold {@code greedy_ids}. */
    public long greedyDifferences(LanguageModel model, boolean useCache) {
        long[] expected = tensor("greedy_ids").toLongs();
        int steps = (int) tensor("greedy_ids").size(1);
        List<long[]> prompts = prompts(model);
        GenerationConfig config = new GenerationConfig(steps, false, 1, 0, 1, 1, List.of(), List.of(), 0, useCache);
        List<Generator.Generated> rows = new Generator(model, config, null).generate(prompts);
        long different = 0;
        for (int row = 0; row < rows.size(); row++) {
            long[] found = rows.get(row).tokens();
            for (int i = 0; i < steps; i++) {
                different += i < found.length && found[i] == expected[row * steps + i] ? 0 : 1;
            }
        }
        return different;
    }

    /** The prompts without their padding; those of a model with an encoder are its inputs. */
    private List<long[]> prompts(LanguageModel model) {
        boolean encoder = model.spec().task() == Task.SEQ2SEQ_LM;
        Tensor all = tensor(encoder ? "input_ids" : "prompt_ids");
        long[] ids = all.toLongs();
        long[] mask = tensor(encoder ? "attention_mask" : "prompt_mask").toLongs();
        int width = (int) all.size(1);
        List<long[]> prompts = new ArrayList<>();
        for (int start = 0; start < ids.length; start += width) {
            prompts.add(IntStream.range(start, start + width)
                    .filter(i -> mask[i] != 0)
                    .mapToLong(i -> ids[i])
                    .toArray());
        }
        return prompts;
    }

    /** The number of logits that change when the model is saved into {@code scratch} and loaded again. */
    public long savedDifferences(LanguageModel model, Path scratch) {
        model.save(scratch, SaveOptions.DEFAULT);
        try (LanguageModel again = LanguageModel.load(scratch, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            Map<String, Tensor> before = outputs(model);
            Map<String, Tensor> after = outputs(again);
            long differences = 0;
            for (Map.Entry<String, Tensor> e : before.entrySet()) {
                differences += (long) e.getValue()
                        .viewAs(DType.INT32)
                        .sub(after.get(e.getKey()).viewAs(DType.INT32))
                        .ne(0)
                        .to(DType.INT64)
                        .sum()
                        .item();
            }
            return differences;
        }
    }

    /**
     * All checks but the ten optimizer steps: logits, loss, grads, greedy tokens with and without a cache where the
     * case has them, save and load.
     *
     * @param scratch an empty folder to save into
     */
    public List<GoldenCheck> check(LanguageModel model, Path scratch) {
        List<GoldenCheck> checks = new ArrayList<>();
        checks.add(GoldenCheck.of("logits", logitsError(model), golden.tolerance("logits")));
        model.parameters().forEach(Parameter::clearGrad);
        double loss = lossAndGradients(model, Pass.evaluation());
        double expected = tensor("loss").item();
        double lossError = Math.abs(loss - expected) / Math.max(1, Math.abs(expected));
        checks.add(GoldenCheck.of("loss", lossError, golden.tolerance("loss")));
        double worst = gradientErrors(model).values().stream()
                .mapToDouble(Double::doubleValue)
                .reduce(0, Math::max);
        checks.add(GoldenCheck.of("grads", worst, golden.tolerance("grads")));
        model.parameters().forEach(Parameter::clearGrad);
        if (has("greedy_ids")) {
            checks.add(GoldenCheck.of("greedy_cached", greedyDifferences(model, true), 0));
            checks.add(GoldenCheck.of("greedy_uncached", greedyDifferences(model, false), 0));
        }
        checks.add(GoldenCheck.of("save_load", savedDifferences(model, scratch), 0));
        return checks;
    }

    private static double error(Tensor found, Tensor expected, double floor) {
        if (!Arrays.equals(found.shape(), expected.shape())) {
            return Double.POSITIVE_INFINITY;
        }
        double difference = found.sub(expected).abs().max().item();
        return difference / Math.max(floor, expected.abs().max().item());
    }

    @Override
    public void close() {
        tensors.values().forEach(Tensor::close);
        gradients.values().forEach(Tensor::close);
    }
}
