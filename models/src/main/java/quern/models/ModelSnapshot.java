package quern.models;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.models.internal.Json;
import quern.recipe.DurableFiles;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsFolder;
import quern.tensor.Scope;
import quern.tensor.StagingBuffers;
import quern.tensor.Tensor;

/**
 * A model's files held in memory, as it was when the snapshot was made. {@link #write} may run on another thread while
 * training goes on; {@link #close} frees the copy.
 */
public final class ModelSnapshot implements AutoCloseable {
    private final List<Tensor> held = new ArrayList<>();
    private final List<SafetensorsFile.Entry> entries = new ArrayList<>();
    private final long maxShardBytes;
    private final byte[] config;
    private final byte[] generationConfig;
    private final byte[] card;

    /**
     * @param staging where the weights are copied to, which must hold the copies until {@link #close}; without, the weights
     *     are read as they lie where the file can take them so, and the model must not change before
     */
    ModelSnapshot(LanguageModel model, SaveOptions options, Optional<StagingBuffers> staging) {
        this.maxShardBytes = options.maxShardBytes();
        DType dtype = options.dtype().orElse(model.dtype());
        ModelSpec spec = model.spec();
        this.config = Json.format(spec.toJson(dtype));
        boolean writesText = spec.task() == Task.CAUSAL_LM || spec.task() == Task.SEQ2SEQ_LM;
        this.generationConfig = writesText ? Json.format(model.generationFields()) : null;
        this.card = options.card()
                .map(c -> c.text(spec, model.parameterCount(), dtype.torch()).getBytes(StandardCharsets.UTF_8))
                .orElse(null);
        CheckpointKeys keys = spec.keys();
        boolean done = false;
        try {
            for (Parameter p : model.parameters()) {
                add(p, keys, dtype, staging);
            }
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private void add(Parameter p, CheckpointKeys keys, DType dtype, Optional<StagingBuffers> staging) {
        try (Scope scope = Scope.open()) {
            Tensor x = p.value().detach();
            if (keys.isTransposed(p.name())) {
                x = x.t();
            }
            Tensor kept;
            if (staging.isPresent()) {
                kept = staging.get().copy("model/" + p.name(), x, dtype);
            } else {
                kept = x.to(dtype).to(Device.CPU).contiguous().keep();
                held.add(kept);
            }
            List<CheckpointKeys.Part> parts = keys.parts(p.name(), kept.shape());
            if (parts.isEmpty()) {
                entries.add(new SafetensorsFile.Entry(
                        keys.onDisk(p.name()), dtype.safetensors(), kept.shape(), kept.memory()));
                return;
            }
            long at = 0;
            for (CheckpointKeys.Part part : parts) {
                long bytes = Arrays.stream(part.shape()).reduce(1, Math::multiplyExact) * dtype.bytes();
                entries.add(new SafetensorsFile.Entry(
                        part.name(),
                        dtype.safetensors(),
                        part.shape(),
                        kept.memory().asSlice(at, bytes)));
                at += bytes;
            }
        }
    }

    /**
     * Writes {@code config.json}, the weights, {@code generation_config.json} of a model that writes text and, where
     * given, {@code README.md} into a folder, made when it is missing, each file durable and whole.
     *
     * @throws quern.recipe.QuernException refused when the disk is full, failed on other errors
     */
    public void write(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(folder, -1, e);
        }
        SafetensorsFolder.write(folder, entries, Map.of("format", "pt"), maxShardBytes);
        DurableFiles.write(folder.resolve(ModelSpec.FILE), config);
        if (generationConfig != null) {
            DurableFiles.write(folder.resolve(GenerationConfig.FILE), generationConfig);
        }
        if (card != null) {
            DurableFiles.write(folder.resolve("README.md"), card);
        }
    }

    /** Ends the use of the weights. */
    @Override
    public void close() {
        held.forEach(Tensor::close);
        held.clear();
        entries.clear();
    }
}
