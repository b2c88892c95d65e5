package quern.models;

import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import quern.models.Architectures.Architecture;
import quern.models.internal.Json;
import quern.models.internal.ShapesOnly;
import quern.models.part.ImplementationPart;
import quern.models.part.PartTechnique;
import quern.nn.AttentionImplementation;
import quern.nn.Network;
import quern.nn.Segment;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.DType;

/**
 * What a model is, without its weights: its family, its settings, and the fields of its {@code config.json} that the
 * family doesn't read but that go back into the file unchanged.
 */
public final class ModelSpec {
    /** The file of a model folder that describes the model. */
    public static final String FILE = "config.json";

    private static final Set<Task> HAS_LABELS =
            EnumSet.of(Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.REWARD);

    private final ModelFamily<?> family;
    private final Architecture architecture;
    private final Record config;
    private final Map<String, Object> otherFields;
    private final ChosenAttention attention;

    /** How a run computes attention, and where that was said. */
    private record ChosenAttention(AttentionImplementation implementation, Position place) {
        static final ChosenAttention USUAL =
                new ChosenAttention(AttentionImplementation.AUTO, Position.of(ImplementationPart.KIND));
    }

    private ModelSpec(
            ModelFamily<?> family,
            Architecture architecture,
            Record config,
            Map<String, Object> otherFields,
            ChosenAttention attention) {
        this.attention = attention;
        this.family = family;
        this.architecture = architecture;
        this.config = config;
        this.otherFields = otherFields;
    }

    /** A new model for what its family is mostly for: the first of its {@link ModelFamily#architectures}. */
    public static ModelSpec fromRecipe(Block model, int vocabularySize, SpecialTokens tokens) {
        return fromRecipe(model, vocabularySize, tokens, Optional.empty());
    }

    /**
     * A new model from a recipe's {@code model} block: {@code family}, the family's settings, and for heads with labels
     * {@code num_labels} (or {@code id2label}, {@code label2id}) and {@code problem_type}.
     *
     * @param vocabularySize the tokenizer's, which is {@code vocab_size} unless the block says so; a smaller one is
     *     bad input
     * @param task what the model is for; bad input when the family has no head for it. The first of its {@link
     *     ModelFamily#architectures} when empty
     */
    public static ModelSpec fromRecipe(Block model, int vocabularySize, SpecialTokens tokens, Optional<Task> task) {
        ModelFamily<?> family =
                Techniques.find(ModelFamily.class, ModelFamily.KIND, model.text("family"), model.position("family"));
        Architecture architecture = task.map(t -> architecture(family, t, model.position("family")))
                .orElse(family.architectures().first());
        Block written = without(model.without("family"), ImplementationPart.KIND);
        Map<String, Object> other = new LinkedHashMap<>();
        for (String key : HeadSettings.KEYS) {
            if (written.has(key)) {
                other.put(key, written.toMap().get(key));
                written = written.without(key);
            }
        }
        Map<String, Object> settings = new LinkedHashMap<>(written.toMap());
        settings.putIfAbsent("vocab_size", (long) vocabularySize);
        family.completeRecipe(settings);
        Set<String> known = keys(family.config());
        tokens.fields().forEach((key, id) -> {
            if (!known.contains(key)) {
                other.put(key, id);
            } else if (id != null) {
                settings.putIfAbsent(key, id);
            }
        });
        family.completeTokens(settings, tokens.fields());
        Record config = bind(family, written, settings, model.position().toString());
        int size = ((ModelConfig) config).vocabSize();
        if (size < vocabularySize) {
            throw QuernException.badInput(
                    "%s: vocab_size: %d is smaller than the tokenizer's %d; leave the key out or raise it",
                    written.position("vocab_size"), size, vocabularySize);
        }
        other.put("use_cache", true);
        return new ModelSpec(family, architecture, config, other, attention(model));
    }

    private static Block without(Block block, String key) {
        return block.has(key) ? block.without(key) : block;
    }

    /** What a recipe's block chooses for its run. */
    private static ChosenAttention attention(Block model) {
        if (!model.has(ImplementationPart.KIND)) {
            return ChosenAttention.USUAL;
        }
        Position place = model.position(ImplementationPart.KIND);
        PartTechnique chosen = Techniques.find(
                PartTechnique.class, ImplementationPart.KIND, model.text(ImplementationPart.KIND), place);
        Record settings = Block.empty(place).bind(chosen.config());
        return new ChosenAttention(((ImplementationPart) settings).implementation(), place);
    }

    private static Architecture architecture(ModelFamily<?> family, Task task, Position position) {
        return family.architectures()
                .forTask(task)
                .orElseThrow(() -> QuernException.badInput(
                        "%s: model family %s has no head for %s; it has %s",
                        position,
                        family.id(),
                        task.id(),
                        family.architectures().all().stream()
                                .map(a -> a.task().id())
                                .collect(Collectors.joining(", "))));
    }

    /** The model of a Hugging Face folder. */
    public static ModelSpec read(Path folder) {
        return read(folder, Block.empty(Position.of(folder.toString())));
    }

    /** As above, with some settings replaced by a recipe's: dropout rates, say. */
    public static ModelSpec read(Path folder, Block overrides) {
        if (!Files.isDirectory(folder)) {
            throw QuernException.badInput(
                    "%s: no such folder; name a Hugging Face model folder (config.json, model.safetensors)", folder);
        }
        Path file = folder.resolve(FILE);
        return of(Json.read(file), file.toString(), overrides, ChosenAttention.USUAL);
    }

    /** The same with some settings replaced by a recipe's, as of a folder that this model was saved in. */
    public ModelSpec with(Block overrides) {
        return of(new LinkedHashMap<>(toJson(DType.FP32)), family.id(), overrides, attention);
    }

    /** @param file what messages call the place of the fields */
    private static ModelSpec of(Map<String, Object> fields, String file, Block recipe, ChosenAttention usual) {
        ChosenAttention attention = recipe.has(ImplementationPart.KIND) ? attention(recipe) : usual;
        Block overrides = without(recipe, ImplementationPart.KIND);
        if (fields.get("auto_map") != null) {
            throw QuernException.badInput(
                    "%s: auto_map: the model needs Python code of its own, which Quern never runs; convert it to a built-in model_type",
                    file);
        }
        if (fields.get("quantization_config") != null) {
            throw QuernException.badInput(
                    "%s: quantization_config: the weights are quantised; name the unquantised model", file);
        }
        if (!(fields.remove("model_type") instanceof String type)) {
            throw QuernException.badInput("%s: model_type: missing; expected a text such as llama", file);
        }
        ModelFamily<?> family =
                Techniques.find(ModelFamily.class, ModelFamily.KIND, type, Position.of(file + ": model_type"));
        Architecture architecture = architecture(file, fields, family);
        Map<String, Object> settings = new LinkedHashMap<>();
        Map<String, Object> other = new LinkedHashMap<>();
        Map<String, Object> spelled = renamed(fields, family, file);
        family.fileDefaults().forEach((key, value) -> {
            if (!spelled.containsKey(key)) {
                spelled.put(key, value);
            }
        });
        family.normalise(spelled, file);
        Set<String> known = keys(family.config());
        spelled.forEach((key, value) -> {
            if (!known.contains(key)) {
                other.put(key, value);
            } else if (value != null) {
                settings.put(key, value);
            }
        });
        other.remove("torch_dtype");
        other.remove("dtype");
        Record own = bind(family, Block.empty(Position.of(file)), settings, file);
        if (overrides.keys().isEmpty()) {
            return new ModelSpec(family, architecture, own, other, attention);
        }
        Map<String, Object> replaced =
                renamed(overrides.toMap(), family, overrides.position().toString());
        family.normalise(replaced, overrides.position().toString());
        for (String key : replaced.keySet()) {
            if (!known.contains(key)) {
                // Binding the recipe's block alone gives its message, with the place and the nearest name.
                overrides.bind(family.config());
            }
        }
        settings.putAll(replaced);
        return new ModelSpec(family, architecture, bind(family, overrides, settings, file), other, attention);
    }

    private static Architecture architecture(String file, Map<String, Object> fields, ModelFamily<?> family) {
        Object written = fields.remove("architectures");
        Architectures known = family.architectures();
        if (!(written instanceof List<?> names) || names.isEmpty()) {
            return known.first();
        }
        return names.stream()
                .flatMap(name -> known.named(name).stream())
                .findFirst()
                .orElseThrow(() -> QuernException.badInput(
                        "%s: architectures: found %s; of model_type %s Quern knows %s",
                        file, names, family.id(), String.join(", ", known.names())));
    }

    private static Map<String, Object> renamed(Map<String, Object> fields, ModelFamily<?> family, String where) {
        Map<String, Object> result = new LinkedHashMap<>(fields);
        family.aliases().forEach((alias, name) -> {
            if (!result.containsKey(alias)) {
                return;
            }
            Object value = result.remove(alias);
            Object other = result.putIfAbsent(name, value);
            if (other != null && !other.equals(value)) {
                throw QuernException.badInput(
                        "%s: %s is %s but %s, another name for it, is %s; keep one", where, name, other, alias, value);
            }
        });
        return result;
    }

    /** Binds settings, keeping the places of those that {@code written} holds unchanged. */
    private static Record bind(ModelFamily<?> family, Block written, Map<String, Object> settings, String where) {
        Map<String, Object> wanted = renamed(settings, family, where);
        family.normalise(wanted, where);
        Block block = written;
        Map<String, Object> before = written.toMap();
        for (String key : before.keySet()) {
            if (!wanted.containsKey(key)) {
                block = block.without(key);
            }
        }
        for (Map.Entry<String, Object> e : wanted.entrySet()) {
            if (!Objects.equals(e.getValue(), before.get(e.getKey()))) {
                block = block.with(e.getKey(), e.getValue());
            }
        }
        return block.bind(family.config());
    }

    private static Set<String> keys(Class<? extends Record> type) {
        Set<String> keys = new LinkedHashSet<>();
        for (RecordComponent c : type.getRecordComponents()) {
            keys.add(key(c));
        }
        return keys;
    }

    private static String key(RecordComponent component) {
        return component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }

    /** The same with another number of tokens. */
    public ModelSpec withVocabulary(int size) {
        Map<String, Object> settings = new LinkedHashMap<>(settings());
        settings.put("vocab_size", (long) size);
        Block none = Block.empty(Position.of("config.json"));
        return new ModelSpec(family, architecture, bind(family, none, settings, "config.json"), otherFields, attention);
    }

    /** The family. */
    public ModelFamily<?> family() {
        return family;
    }

    /** The class of the family that the model is. */
    public Architecture architecture() {
        return architecture;
    }

    /** What the model is for. */
    public Task task() {
        return architecture.task();
    }

    /** How the parameters of this class lie in a checkpoint. */
    public CheckpointKeys keys() {
        CheckpointKeys keys = family.keys();
        return architecture
                .bodyPrefix()
                .filter(prefix -> !prefix.equals(keys.basePrefix()))
                .<CheckpointKeys>map(prefix -> new PrefixedKeys(keys, prefix))
                .orElse(keys);
    }

    /** What the head reads. */
    public HeadSettings head() {
        return HeadSettings.of(task(), this);
    }

    /** The family's settings. */
    public ModelConfig config() {
        return (ModelConfig) config;
    }

    /** The fields of {@code config.json} beside the settings: special tokens' ids and whatever a file held. */
    public Map<String, Object> otherFields() {
        return Collections.unmodifiableMap(otherFields);
    }

    /** A field of {@code config.json}, whether the family reads it or not; {@code null} when absent. */
    public Object field(String key) {
        return settings().containsKey(key) ? settings().get(key) : otherFields.get(key);
    }

    /** The family's settings as {@code config.json} has them. */
    public Map<String, Object> settings() {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (RecordComponent c : config.getClass().getRecordComponents()) {
            Object value = plain(component(config, c));
            if (value != null) {
                fields.put(key(c), value);
            }
        }
        return fields;
    }

    private static Object component(Record record, RecordComponent c) {
        try {
            return c.getAccessor().invoke(record);
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException(c.toString(), impossible);
        }
    }

    private static Object plain(Object value) {
        return switch (value) {
            case null -> null;
            case Optional<?> optional -> plain(optional.orElse(null));
            case Record record -> {
                Map<String, Object> map = new LinkedHashMap<>();
                for (RecordComponent c : record.getClass().getRecordComponents()) {
                    Object inner = plain(component(record, c));
                    if (inner != null) {
                        map.put(key(c), inner);
                    }
                }
                yield map;
            }
            case Block block -> block.plain();
            case Enum<?> constant -> constant.name().toLowerCase(Locale.ROOT);
            case List<?> list -> list.stream().map(ModelSpec::plain).toList();
            default -> value;
        };
    }

    /** The content of {@code config.json} for weights of this dtype, keys sorted. */
    public Map<String, Object> toJson(DType dtype) {
        Map<String, Object> json = new TreeMap<>(otherFields);
        // A key left out would be read as its default again.
        family.fileDefaults().keySet().forEach(key -> json.put(key, null));
        json.putAll(settings());
        json.put("architectures", List.of(architecture.name()));
        if (HAS_LABELS.contains(task())) {
            json.remove("num_labels");
            HeadSettings head = head();
            if (!(json.get("id2label") instanceof Map<?, ?> names) || names.size() != head.labels()) {
                json.putAll(head.fields());
            }
        }
        json.put("model_type", family.modelType());
        json.put("dtype", dtype.torch());
        return json;
    }

    /** What this model is as one of another family that more tools know, with how its parameters are made. */
    Optional<KnownForm> knownForm() {
        return knownForm(family);
    }

    private <C extends Record & ModelConfig> Optional<KnownForm> knownForm(ModelFamily<C> family) {
        return family.knownForm(family.config().cast(config), task());
    }

    /** The spec of a {@link #knownForm}, for the same task. */
    ModelSpec as(KnownForm form) {
        Position here = Position.of(form.family());
        ModelFamily<?> other = Techniques.find(ModelFamily.class, ModelFamily.KIND, form.family(), here);
        Architecture own = other.architectures()
                .forTask(task())
                .orElseThrow(() -> new IllegalStateException(form.family() + " has no head for " + task()));
        Map<String, Object> fields = new LinkedHashMap<>(otherFields);
        keys(other.config()).forEach(fields::remove);
        return new ModelSpec(
                other, own, bind(other, Block.empty(here), form.settings(), here.toString()), fields, attention);
    }

    /** The network with the parameters that {@code weights} gives. */
    public Network build(Weights weights) {
        return build(family, weights);
    }

    private <C extends Record & ModelConfig> Network build(ModelFamily<C> family, Weights weights) {
        boolean done = false;
        try {
            if (keys() instanceof PrefixedKeys prefixed) {
                weights.rename(prefixed::own);
            }
            C settings = family.config().cast(config);
            List<Segment> segments = new ArrayList<>(family.body(settings, weights, task()));
            segments.addAll(family.head(settings, weights, head()));
            Network network = withAttention(new Network(segments));
            done = true;
            return network;
        } finally {
            if (!done) {
                weights.given().forEach(p -> p.close());
            }
        }
    }

    private Network withAttention(Network network) {
        try {
            return network.setAttention(attention.implementation());
        } catch (IllegalArgumentException e) {
            throw QuernException.badInput(
                    "%s: %s: %s: %s",
                    attention.place(),
                    ImplementationPart.KIND,
                    attention.implementation().name().toLowerCase(Locale.ROOT),
                    e.getMessage());
        }
    }

    /** How a run computes attention; not part of {@code config.json}. */
    public AttentionImplementation attention() {
        return attention.implementation();
    }

    /** The network with parameters that have shapes but no memory behind them: to look at, not to compute with. */
    public Network outline() {
        return build(new ShapesOnly());
    }

    /** What the parameters are called and how large they are, in the order of the network; no memory is taken. */
    public Shapes shapes() {
        return shapes(new ShapesOnly());
    }

    Shapes shapes(ShapesOnly weights) {
        try (Network network = build(weights)) {
            Map<String, long[]> shapes = new LinkedHashMap<>();
            network.parameters().forEach(p -> shapes.put(p.name(), p.value().shape()));
            return new Shapes(shapes, new LinkedHashMap<>(weights.ties()), weights.optional());
        }
    }

    /**
     * The parameters of a model.
     *
     * @param parameters name to shape, in memory
     * @param ties names that stand for another parameter: tied name to owner's name
     * @param optional names that files may lack
     */
    public record Shapes(Map<String, long[]> parameters, Map<String, String> ties, Set<String> optional) {
        /** The number of weights, tied ones once. */
        public long count() {
            return parameters.values().stream()
                    .mapToLong(shape -> Arrays.stream(shape).reduce(1, Math::multiplyExact))
                    .sum();
        }
    }

    @Override
    public String toString() {
        return family.id() + " " + config;
    }
}
