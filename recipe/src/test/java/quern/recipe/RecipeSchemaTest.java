package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The JSON schema of recipes. */
class RecipeSchemaTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    enum Mode {
        FIRST_FIT,
        BEST_FIT
    }

    record Inner(@Doc("How deep.") @Range(min = 1) int depth) {}

    record Everything(
            @Doc("A list or one.") @Shorthand List<Path> path,

            @Default("first_fit") Mode mode,

            @Shorthand("depth") Inner inner,

            @Range(min = 0, max = 1) Optional<Double> share,

            Optional<Block> free,

            Map<String, Double> weights,

            @Default("[1, 2]") @Range(min = 0) List<Integer> sizes,

            @Default("[foo]") @Shorthand("type") List<Block> parts) {}

    /** A technique whose record has every type. */
    private static final class EverythingTechnique implements Technique {
        @Override
        public String kind() {
            return "test";
        }

        @Override
        public String id() {
            return "everything";
        }

        @Override
        public String summary() {
            return "Has every type";
        }

        @Override
        public Class<? extends Record> config() {
            return Everything.class;
        }
    }

    private static JsonNode schema() {
        return JSON.readTree(RecipeSchema.json());
    }

    private static List<String> names(JsonNode object) {
        return new ArrayList<>(object.propertyNames());
    }

    @Test
    void offersEveryKeyOfARecipeAndNoOther() {
        JsonNode schema = schema();
        TreeSet<String> expected = new TreeSet<>(List.of("extends"));
        for (var component : Recipe.class.getRecordComponents()) {
            expected.add(Block.key(component));
        }
        assertEquals(expected, new TreeSet<>(names(schema.path("properties"))));
        assertEquals(
                "https://json-schema.org/draft/2020-12/schema",
                schema.path("$schema").asString());
        assertFalse(schema.path("additionalProperties").asBoolean(true));
        for (JsonNode property : schema.path("properties")) {
            assertTrue(property.path("description").asString("").endsWith("."), property.toString());
            // A record's keys are known here, a block's only to the room that binds it.
            assertEquals(property.has("properties"), property.has("additionalProperties"), property.toString());
        }
    }

    @Test
    void carriesDefaultsAndRanges() {
        JsonNode properties = schema().path("properties");
        assertEquals(JSON.readTree("""
                        {"type": "number", "default": 0.9, "minimum": 0, "exclusiveMaximum": 1,
                         "description": "The decay rate of the first moment in Adam and its kin."}"""), properties.path("adam_beta1"));
        assertEquals(0, properties.path("adam_epsilon").path("exclusiveMinimum").asInt(-1));
        assertEquals(
                JSON.readTree("[\"fp32\", \"bf16\", \"fp16\", \"dynamic\"]"),
                properties.path("precision").path("enum"));
        assertEquals("number", properties.path("num_train_epochs").path("type").asString());
        assertEquals(
                JSON.readTree("[{\"type\": \"string\"}, {\"type\": \"object\"}]"),
                properties.path("objective").path("anyOf"));
        assertEquals(
                JSON.readTree("[{\"type\": \"string\"}, {\"type\": \"object\"}]"),
                properties.path("tokenizer").path("anyOf"));
    }

    @Test
    void requiresWhatARecipeThatExtendsNoneMustSay() {
        JsonNode condition = schema().path("allOf").path(0);
        assertEquals(
                JSON.readTree("[\"extends\"]"), condition.path("if").path("not").path("required"));
        assertEquals(
                JSON.readTree("[\"model\", \"data\"]"), condition.path("then").path("required"));
        assertFalse(schema().has("required"));
    }

    @Test
    void offersTechniquesAndTheirSettings() {
        JsonNode schema = schema();
        assertEquals(
                JSON.readTree("[\"adamw\", \"sgd\"]"),
                schema.path("properties").path("optim").path("enum"));
        assertEquals(
                JSON.readTree("[\"constant\", \"flat\"]"),
                schema.path("properties").path("lr_scheduler_type").path("enum"),
                "other names too");
        assertEquals(List.of("lr_scheduler_type.constant", "optim.adamw", "optim.sgd"), names(schema.path("$defs")));
        JsonNode sgd = schema.path("$defs").path("optim.sgd");
        assertEquals(List.of("momentum", "nesterov"), names(sgd.path("properties")));
        assertFalse(sgd.path("additionalProperties").asBoolean(true));
        assertEquals("Stochastic gradient descent", sgd.path("description").asString());
        assertEquals(JSON.readTree("""
                        {"if": {"properties": {"optim": {"const": "sgd"}}, "required": ["optim"]},
                         "then": {"properties": {"optim_args": {"$ref": "#/$defs/optim.sgd"}}}}"""), schema.path("allOf").path(2));
        assertFalse(schema.path("allOf").path(1).path("if").has("required"), "the default needs no key");
    }

    @Test
    void describesEveryBindableType() {
        JsonNode everything = JSON.readTree(RecipeSchema.json(List.of(new EverythingTechnique())))
                .path("$defs")
                .path("test.everything");
        assertEquals(JSON.readTree("""
                        {"type": "object", "description": "Has every type", "additionalProperties": false,
                         "required": ["path", "inner", "weights"],
                         "properties": {
                          "path": {"description": "A list or one.", "anyOf": [
                            {"type": "string", "minLength": 1},
                            {"type": "array", "items": {"type": "string", "minLength": 1}}]},
                          "mode": {"type": "string", "enum": ["first_fit", "best_fit"], "default": "first_fit"},
                          "inner": {"anyOf": [{"type": "string"},
                            {"type": "object", "additionalProperties": false, "required": ["depth"],
                             "properties": {"depth": {"type": "integer", "description": "How deep.", "minimum": 1}}}]},
                          "share": {"type": "number", "minimum": 0, "maximum": 1},
                          "free": {"type": "object"},
                          "weights": {"type": "object", "additionalProperties": {"type": "number"}},
                          "sizes": {"type": "array", "items": {"type": "integer", "minimum": 0}, "default": [1, 2]},
                          "parts": {"default": ["foo"], "anyOf": [
                            {"type": "object"}, {"type": "string"},
                            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}]}
                         }}"""), everything);
    }
}
