package quern.models;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.models.internal.Checkpoint;
import quern.models.internal.CheckpointWeights;
import quern.models.internal.ConvertedWeights;
import quern.models.internal.ExtendedWeights;
import quern.models.internal.Json;
import quern.models.internal.NewWeights;
import quern.models.internal.ShapesOnly;
import quern.models.internal.StoredTies;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFolder;
import quern.tensor.Scope;
import quern.tensor.StagingBuffers;
import quern.tensor.Tensor;

/**
 * A language model with its weights: new, or from a Hugging Face folder, and back into one. Parameters carry transformers'
 * in-memory names; matrices lie [out, in] whatever the file does. Owns native memory until {@link #close}.
 *
 * <pre>{@code
 * try (LanguageModel model = LanguageModel.load(folder, DType.FP32, Device.CPU);
 *         Scope scope = Scope.open()) {
 *     Tensor logits = model.logits(ids, null);
 * }
 * }</pre>
 */
public final class LanguageModel implements AutoCloseable {
    private final ModelSpec spec;
    private final Network network;
    private final DType dtype;
    private final Device device;
    private Map<String, Object> generationFields;

    private LanguageModel(
            ModelSpec spec, Network network, DType dtype, Device device, Map<String, Object> generationFields) {
        this.spec = spec;
        this.network = network;
        this.dtype = dtype;
        this.device = device;
        this.generationFields = generationFields;
    }

    /**
     * A new model, initialised as transformers does. Its values depend on the seed and each parameter's name only.
     *
     * @param dtype fp32, bf16 or fp16
     */
    public static LanguageModel create(ModelSpec spec, DType dtype, Device device, long seed) {
        Network network = spec.build(new NewWeights(dtype, device, seed));
        Map<String, Object> generation = new LinkedHashMap<>();
        for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
            Object id = spec.field(key);
            if (id != null) {
                generation.put(key, id);
            }
        }
        return new LanguageModel(spec, network, dtype, device, generation);
    }

    /**
     * The model of a Hugging Face folder. The weights are mapped, read a tensor at a time and converted to {@code
     * dtype}.
     *
     * @throws QuernException bad input when the folder or its weights are missing, are pickle files or of an unknown
     *     kind; failed when files are damaged, tensors are missing, left over or misshaped, or hold NaN
     */
    public static LanguageModel load(Path folder, DType dtype, Device device) {
        return load(folder, Block.empty(Position.of(folder.toString())), dtype, device);
    }

    /** As above, with some settings replaced by a recipe's: dropout rates, say. */
    public static LanguageModel load(Path folder, Block overrides, DType dtype, Device device) {
        ModelSpec spec = ModelSpec.read(folder, overrides);
        Path generation = folder.resolve(GenerationConfig.FILE);
        Map<String, Object> fields = Files.exists(generation) ? Json.read(generation) : new LinkedHashMap<>();
        try (SafetensorsFolder files = SafetensorsFolder.open(folder)) {
            CheckpointKeys keys = spec.keys();
            StoredTies stored = new StoredTies(files, keys);
            Checkpoint checkpoint = new Checkpoint(files, spec.shapes(new ShapesOnly(stored)), keys);
            Network network = spec.build(new CheckpointWeights(checkpoint, keys, stored, dtype, device));
            LanguageModel model = new LanguageModel(spec, network, dtype, device, fields);
            for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
                Object id = spec.field(key);
                if (id != null) {
                    fields.putIfAbsent(key, id);
                }
            }
            return model;
        }
    }

    /**
     * A copy as a model of a family that more tools know, which gives the same logits: a composed model that is a Llama, say.
     * Empty where there is no such family.
     */
    public Optional<LanguageModel> asKnownFamily() {
        return spec.knownForm().map(form -> {
            ModelSpec known = spec.as(form);
            Network copy = known.build(new ConvertedWeights(form.conversion(), parameters(), dtype, device));
            return new LanguageModel(known, copy, dtype, device, new LinkedHashMap<>(generationFields));
        });
    }

    /**
     * This model with more tokens, in memory of its own; this one stays as it is. Everything that has a row or a number for
     * each token, tied or not, is extended.
     *
     * @param target this model's settings with the vocabulary that the extension says
     */
    public LanguageModel extended(ModelSpec target, VocabularyExtension extension) {
        if (target.config().vocabSize() != extension.size() || extension.size() < config().vocabSize()) {
            throw new IllegalArgumentException("a vocabulary of %d tokens can't be extended to %d, with settings for %d"
                    .formatted(
                            config().vocabSize(),
                            extension.size(),
                            target.config().vocabSize()));
        }
        Map<String, long[]> mine = target.shapes().parameters();
        Map<String, long[]> larger =
                target.withVocabulary(extension.size() + 1).shapes().parameters();
        Set<String> byToken = new LinkedHashSet<>();
        mine.forEach((name, shape) -> {
            if (!Arrays.equals(shape, larger.get(name))) {
                byToken.add(name);
            }
        });
        // Files may tell apart what the settings take for one.
        target.shapes().ties().forEach((name, owner) -> {
            if (byToken.contains(owner)) {
                byToken.add(name);
            }
        });
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Network made = target.build(new ExtendedWeights(parameters(), byToken, extension, dtype, device));
            return new LanguageModel(target, made, dtype, device, new LinkedHashMap<>(generationFields));
        }
    }

    /** A model around a network that was built; takes it over. */
    static LanguageModel of(
            ModelSpec spec, Network network, DType dtype, Device device, Map<String, Object> generationFields) {
        return new LanguageModel(spec, network, dtype, device, new LinkedHashMap<>(generationFields));
    }

    /** What the model is. */
    public ModelSpec spec() {
        return spec;
    }

    /** The family's settings. */
    public ModelConfig config() {
        return spec.config();
    }

    /** The segments. */
    public Network network() {
        return network;
    }

    /** The parameters, tied ones once. */
    public List<Parameter> parameters() {
        return network.parameters();
    }

    /** The number of weights, tied ones once. */
    public long parameterCount() {
        return parameters().stream().mapToLong(p -> p.value().numel()).sum();
    }

    /** The dtype of the weights. */
    public DType dtype() {
        return dtype;
    }

    /** Where the weights are. */
    public Device device() {
        return device;
    }

    /** How the model likes to generate, from {@code generation_config.json} or, without one, {@code config.json}. */
    public GenerationConfig generationConfig() {
        return GenerationConfig.of(generationFields, spec);
    }

    /**
     * As above, with other defaults: a field that the folder does not set takes its value from here.
     *
     * @param defaults by the names in {@code generation_config.json}
     */
    public GenerationConfig generationConfig(Map<String, Object> defaults) {
        Map<String, Object> fields = new LinkedHashMap<>(defaults);
        fields.putAll(generationFields);
        return GenerationConfig.of(fields, spec);
    }

    Map<String, Object> generationFields() {
        return Collections.unmodifiableMap(generationFields);
    }

    /** Sets fields of the {@code generation_config.json} that {@link #save} writes, beside those already there. */
    public void putGenerationFields(Map<String, Object> fields) {
        generationFields = new LinkedHashMap<>(generationFields);
        generationFields.putAll(fields);
    }

    /**
     * Logits without dropout and without a graph, in the caller's scope.
     *
     * @param inputIds int64 [B, T]
     * @param attentionMask int64 [B, T], 0 where padded; {@code null} when nothing is
     * @return [B, T, V] of a language model, in the model's dtype; other heads have their own shape
     */
    public Tensor logits(Tensor inputIds, Tensor attentionMask) {
        return outputs(batch(inputIds, attentionMask)).get("logits");
    }

    /**
     * Everything the network computes for a batch, without dropout and without a graph, in the caller's scope: {@code
     * logits}, {@code hidden_states} and what else its segments write.
     *
     * @param batch the inputs by transformers' names: {@code input_ids}, {@code attention_mask}, {@code
     *     token_type_ids}…; labels may be left out
     */
    public Flow outputs(Map<String, Tensor> batch) {
        return network.infer(inputs(batch), Pass.evaluation());
    }

    private Flow inputs(Map<String, Tensor> batch) {
        Tensor ids = batch.get("input_ids");
        if (ids != null && ids.size(1) > config().contextLength()) {
            throw QuernException.badInput(
                    "a sequence of %d tokens, but the model was made for %d positions; shorten it",
                    ids.size(1), config().contextLength());
        }
        return TaskInputs.flow(spec, batch, device);
    }

    private static Map<String, Tensor> batch(Tensor inputIds, Tensor attentionMask) {
        Map<String, Tensor> batch = new LinkedHashMap<>();
        batch.put("input_ids", inputIds);
        if (attentionMask != null) {
            batch.put("attention_mask", attentionMask);
        }
        return batch;
    }

    /**
     * What a network needs to give {@code loss}, the mean over counted labels.
     *
     * @param inputIds int64 [B, T]
     * @param attentionMask int64 [B, T] or {@code null}
     * @param labels int64 [B, T], -100 where not counted; position t of a causal model predicts label t+1
     */
    public Flow lossInputs(Tensor inputIds, Tensor attentionMask, Tensor labels) {
        Map<String, Tensor> batch = batch(inputIds, attentionMask);
        batch.put("labels", labels);
        return inputs(batch);
    }

    /**
     * As above for any task.
     *
     * @param batch inputs and labels by transformers' names: {@code labels} with the shape and dtype that transformers'
     *     class for the task takes, {@code next_sentence_label} [B], {@code start_positions} and {@code end_positions}
     *     [B]
     */
    public Flow lossInputs(Map<String, Tensor> batch) {
        return inputs(batch);
    }

    /** Targets [B, T] of causal prediction: {@code targets[t] = labels[t+1]}, and -100 at the end. */
    public static Tensor shiftLabels(Tensor labels_BT) {
        return TaskInputs.shiftLeft(labels_BT);
    }

    /** Writes the model into a folder, made when it is missing; see {@link ModelSnapshot#write}. */
    public void save(Path folder, SaveOptions options) {
        try (ModelSnapshot snapshot = snapshot(options)) {
            snapshot.write(folder);
        }
    }

    /** The files as they would be written now, with the weights read where they lie: until it is closed they must not change. */
    public ModelSnapshot snapshot(SaveOptions options) {
        return new ModelSnapshot(this, options, Optional.empty());
    }

    /**
     * A copy of the files as they would be written now, for a thread that writes while training goes on.
     *
     * @param staging takes the copies, under names that begin with {@code model/}, and holds them while they are needed
     */
    public ModelSnapshot snapshot(SaveOptions options, StagingBuffers staging) {
        return new ModelSnapshot(this, options, Optional.of(staging));
    }

    /** Frees the weights. */
    @Override
    public void close() {
        network.close();
    }

    @Override
    public String toString() {
        return "%s, %,d parameters, %s on %s".formatted(spec.family().id(), parameterCount(), dtype, device);
    }
}
