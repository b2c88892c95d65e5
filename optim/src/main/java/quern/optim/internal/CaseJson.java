package quern.optim.internal;

import quern.recipe.Block;
import quern.recipe.GoldenCase;
import quern.recipe.Position;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads a golden's {@code case.json}, with errors that name the file and the key. */
record CaseJson(GoldenCase golden) {
    private static final JsonMapper JSON = JsonMapper.shared();

    /** The file, for messages. */
    String file() {
        return golden.folder().resolve("case.json").toString();
    }

    String text(String key) {
        JsonNode value = golden.json().path(key);
        if (!value.isString()) {
            throw QuernException.badInput("%s: expected text under '%s'", file(), key);
        }
        return value.asString();
    }

    /** A whole number of 0 or more. */
    int count(String key) {
        JsonNode value = golden.json().path(key);
        if (!value.isInt() || value.asInt() < 0) {
            throw QuernException.badInput("%s: expected a whole number of 0 or more under '%s'", file(), key);
        }
        return value.asInt();
    }

    double number(JsonNode parent, String key) {
        JsonNode value = parent.path(key);
        if (!value.isNumber()) {
            throw QuernException.badInput("%s: expected a number under '%s'", file(), key);
        }
        return value.asDouble();
    }

    double number(JsonNode parent, String key, double absent) {
        return parent.has(key) ? number(parent, key) : absent;
    }

    JsonNode object(String key) {
        JsonNode value = golden.json().path(key);
        if (!value.isObject()) {
            throw QuernException.badInput("%s: expected an object under '%s'", file(), key);
        }
        return value;
    }

    /** The object under a key as a block of a recipe, without places of its own; empty where the key is absent. */
    Block block(String key) {
        Position where = Position.of(file());
        Block block = Block.empty(where);
        if (!golden.json().has(key)) {
            return block;
        }
        for (var entry : object(key).properties()) {
            block = block.with(entry.getKey(), JSON.treeToValue(entry.getValue(), Object.class));
        }
        return block;
    }
}
