package quern.recipe;

import com.fasterxml.classmate.ResolvedType;
import com.github.victools.jsonschema.generator.ConfigFunction;
import com.github.victools.jsonschema.generator.CustomDefinition;
import com.github.victools.jsonschema.generator.CustomPropertyDefinition;
import com.github.victools.jsonschema.generator.FieldScope;
import com.github.victools.jsonschema.generator.Option;
import com.github.victools.jsonschema.generator.OptionPreset;
import com.github.victools.jsonschema.generator.SchemaGenerationContext;
import com.github.victools.jsonschema.generator.SchemaGenerator;
import com.github.victools.jsonschema.generator.SchemaGeneratorConfigBuilder;
import com.github.victools.jsonschema.generator.SchemaGeneratorConfigPart;
import com.github.victools.jsonschema.generator.SchemaVersion;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The JSON schema (draft 2020-12) of recipe files, for editors that complete and check YAML: {@link Recipe}'s keys, and
 * under {@code $defs} the settings of every technique as {@code kind.id}. A recipe that extends another may leave out
 * what the other says.
 */
public final class RecipeSchema {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final Position NOWHERE = Position.of("schema");
    private static final Set<Class<?>> NUMBERS =
            Set.of(int.class, long.class, double.class, Integer.class, Long.class, Double.class);

    private final List<Technique> techniques;
    private final SchemaGenerator generator;

    private RecipeSchema(List<Technique> techniques) {
        this.techniques = techniques;
        this.generator = generator();
    }

    /** The schema as indented JSON text. */
    public static String json() {
        return json(Techniques.all());
    }

    static String json(List<Technique> techniques) {
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(new RecipeSchema(techniques).schema()) + "\n";
    }

    private ObjectNode schema() {
        ObjectNode schema = generator.generateSchema(Recipe.class);
        schema.put("title", "Quern recipe");
        schema.withObject("properties")
                .putObject("extends")
                .put("type", "string")
                .put("description", "A recipe file, relative to this one, that this one builds on.");
        requireUnlessExtending(schema);
        ObjectNode definitions = schema.putObject("$defs");
        for (Technique technique : techniques) {
            ObjectNode settings = generator.generateSchema(technique.config());
            settings.remove("$schema");
            settings.put("description", technique.summary());
            definitions.set(technique.kind() + "." + technique.id(), settings);
        }
        for (RecordComponent component : Recipe.class.getRecordComponents()) {
            TechniqueId id = component.getAnnotation(TechniqueId.class);
            if (id != null) {
                checkSettings(schema, component, id);
            }
        }
        return schema;
    }

    private static void requireUnlessExtending(ObjectNode schema) {
        ObjectNode whole = JSON.createObjectNode();
        whole.set("required", schema.remove("required"));
        ArrayNode lengths = whole.putArray("anyOf");
        lengths.addObject().putArray("required").add("max_steps");
        lengths.addObject().putArray("required").add("num_train_epochs");
        lengths.addObject().putArray("required").add("stages");
        ObjectNode condition = schema.withArray("allOf").addObject();
        condition.putObject("if").putObject("not").putArray("required").add("extends");
        condition.set("then", whole);
    }

    /** Where a technique is chosen by id, its settings must be the chosen one's. */
    private void checkSettings(ObjectNode schema, RecordComponent component, TechniqueId chosen) {
        String key = Block.key(component);
        String byDefault = component.getAnnotation(Default.class).value();
        for (Technique technique : ofKind(chosen.kind())) {
            ObjectNode condition = schema.withArray("allOf").addObject();
            ObjectNode when = condition.putObject("if");
            ObjectNode named = when.putObject("properties").putObject(key);
            if (technique.otherIds().isEmpty()) {
                named.put("const", technique.id());
            } else {
                ArrayNode either = named.putArray("enum");
                names(technique).forEach(either::add);
            }
            if (!technique.id().equals(byDefault)) {
                when.putArray("required").add(key);
            }
            condition
                    .putObject("then")
                    .putObject("properties")
                    .putObject(chosen.settings())
                    .put("$ref", "#/$defs/" + technique.kind() + "." + technique.id());
        }
    }

    private static Stream<String> names(Technique technique) {
        return Stream.concat(
                Stream.of(technique.id()), technique.otherIds().stream().sorted());
    }

    private List<Technique> ofKind(String kind) {
        return techniques.stream()
                .filter(technique -> technique.kind().equals(kind))
                .toList();
    }

    private SchemaGenerator generator() {
        SchemaGeneratorConfigBuilder builder = new SchemaGeneratorConfigBuilder(
                        JSON, SchemaVersion.DRAFT_2020_12, OptionPreset.PLAIN_JSON)
                .with(Option.INLINE_ALL_SCHEMAS, Option.MAP_VALUES_AS_ADDITIONAL_PROPERTIES)
                .without(Option.FLATTENED_OPTIONALS);
        builder.forTypesInGeneral()
                .withPropertySorter((first, second) -> 0)
                .withTypeAttributeOverride((node, scope, context) -> {
                    if (scope.getType().getErasedType().isRecord()) {
                        node.put("additionalProperties", false);
                    }
                })
                .withCustomDefinitionProvider(RecipeSchema::plainType);
        SchemaGeneratorConfigPart<FieldScope> fields = builder.forFields();
        fields.withPropertyNameOverrideResolver(
                        field -> component(field).map(Block::key).orElse(null))
                .withDescriptionResolver(ofComponent(component -> component.getAnnotation(Doc.class), Doc::value))
                .withDefaultResolver(RecipeSchema::byDefault)
                .withEnumResolver(this::ids)
                .withRequiredCheck(RecipeSchema::required)
                .withTargetTypeOverridesResolver(
                        field -> isOptional(field.getType()) ? List.of(unwrapped(field.getType())) : null)
                .withNumberInclusiveMinimumResolver(bound(Range::min, range -> !range.minExclusive()))
                .withNumberExclusiveMinimumResolver(bound(Range::min, Range::minExclusive))
                .withNumberInclusiveMaximumResolver(bound(Range::max, range -> !range.maxExclusive()))
                .withNumberExclusiveMaximumResolver(bound(Range::max, Range::maxExclusive))
                .withCustomDefinitionProvider(RecipeSchema::shorthand);
        return new SchemaGenerator(builder.build());
    }

    /** Blocks, paths and enums as recipes write them. */
    private static CustomDefinition plainType(ResolvedType type, SchemaGenerationContext context) {
        Class<?> raw = type.getErasedType();
        ObjectNode definition = JSON.createObjectNode();
        if (raw == Block.class) {
            definition.put("type", "object");
        } else if (raw == Path.class) {
            definition.put("type", "string").put("minLength", 1);
        } else if (raw.isEnum()) {
            definition.put("type", "string");
            ArrayNode words = definition.putArray("enum");
            Arrays.stream(raw.getEnumConstants()).map(Binder::word).forEach(words::add);
        } else {
            return null;
        }
        return new CustomDefinition(definition, true);
    }

    /** A component with a shorthand is that scalar, or what it stands for. */
    private static CustomPropertyDefinition shorthand(FieldScope field, SchemaGenerationContext context) {
        if (field.isFakeContainerItemScope()
                || component(field)
                        .filter(found -> found.isAnnotationPresent(Shorthand.class))
                        .isEmpty()) {
            return null;
        }
        ResolvedType type = unwrapped(field.getType());
        ObjectNode definition = JSON.createObjectNode();
        ArrayNode either = definition.putArray("anyOf");
        if (type.getErasedType() == List.class) {
            ResolvedType item = type.getTypeParameters().getFirst();
            either.add(context.createDefinitionReference(item));
            if (item.getErasedType() == Block.class) {
                either.addObject().put("type", "string");
                ArrayNode items = either.addObject()
                        .put("type", "array")
                        .putObject("items")
                        .putArray("anyOf");
                items.addObject().put("type", "string");
                items.add(context.createDefinitionReference(item));
                return new CustomPropertyDefinition(definition);
            }
        } else {
            boolean number = component(field)
                    .map(found -> found.getAnnotation(Shorthand.class))
                    .filter(Shorthand::number)
                    .isPresent();
            either.addObject().put("type", number ? "number" : "string");
        }
        either.add(context.createDefinitionReference(type));
        return new CustomPropertyDefinition(definition);
    }

    private static boolean isOptional(ResolvedType type) {
        return type.getErasedType() == Optional.class;
    }

    /** What an Optional holds: in a recipe the key is there or it is not. */
    private static ResolvedType unwrapped(ResolvedType type) {
        return isOptional(type) ? type.getTypeParameters().getFirst() : type;
    }

    private static Object byDefault(FieldScope field) {
        return whole(field)
                .flatMap(component -> Optional.ofNullable(component.getAnnotation(Default.class))
                        .map(text -> {
                            // Binding it proves that it fits its component.
                            Binder.defaultValue(component, text.value(), NOWHERE);
                            return Binder.defaultNode(component, text.value(), NOWHERE)
                                    .plain();
                        }))
                .orElse(null);
    }

    private List<String> ids(FieldScope field) {
        return whole(field)
                .map(component -> component.getAnnotation(TechniqueId.class))
                .map(id ->
                        ofKind(id.kind()).stream().flatMap(RecipeSchema::names).toList())
                .filter(ids -> !ids.isEmpty())
                .orElse(null);
    }

    private static boolean required(FieldScope field) {
        return whole(field)
                .filter(component -> component.getType() != Optional.class)
                .filter(component -> !component.isAnnotationPresent(Default.class))
                .isPresent();
    }

    private static ConfigFunction<FieldScope, BigDecimal> bound(Function<Range, Double> end, Predicate<Range> applies) {
        return field -> component(field)
                .filter(component -> NUMBERS.contains(unwrapped(field.getType()).getErasedType()))
                .map(component -> component.getAnnotation(Range.class))
                .filter(applies)
                .map(end)
                .filter(Double::isFinite)
                .map(value -> new BigDecimal(Double.toString(value)).stripTrailingZeros())
                .orElse(null);
    }

    private static <A> ConfigFunction<FieldScope, String> ofComponent(
            Function<RecordComponent, A> annotation, Function<A, String> text) {
        return field -> whole(field).map(annotation).map(text).orElse(null);
    }

    /** The component itself, not the items inside it. */
    private static Optional<RecordComponent> whole(FieldScope field) {
        return field.isFakeContainerItemScope() ? Optional.empty() : component(field);
    }

    private static Optional<RecordComponent> component(FieldScope field) {
        Class<?> record = field.getRawMember().getDeclaringClass();
        return record.isRecord()
                ? Arrays.stream(record.getRecordComponents())
                        .filter(component -> component.getName().equals(field.getDeclaredName()))
                        .findFirst()
                : Optional.empty();
    }
}
