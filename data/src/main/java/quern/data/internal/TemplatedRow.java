package quern.data.internal;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.data.Document;
import quern.data.PromptTemplates;
import quern.recipe.QuernException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** The fields of a row that templates make prompts and answers of. */
record TemplatedRow(Map<String, String> values) {
    private static final int SHOWN_KEYS = 12;

    /**
     * Reads an object whose start the parser stands at.
     *
     * @param place of the row, for errors
     */
    static TemplatedRow read(JsonParser parser, Set<String> fields, String place) {
        Set<String> seen = new LinkedHashSet<>();
        Map<String, String> values = new HashMap<>();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            JsonToken token = parser.nextToken();
            if (seen.size() < SHOWN_KEYS) {
                seen.add(name);
            }
            if (!fields.contains(name)) {
                parser.skipChildren();
            } else if (token.isScalarValue() && token != JsonToken.VALUE_NULL) {
                values.put(name, parser.getString());
            } else {
                throw QuernException.failed(
                        "%s: '%s' holds %s, expected a string, a number or a truth value",
                        place, name, JsonTokens.describe(token));
            }
        }
        for (String field : fields) {
            if (!values.containsKey(field)) {
                throw QuernException.badInput(
                        "%s: no '%s' in this row, which data.prompt_templates names; it has %s", place, field, seen);
            }
        }
        return new TemplatedRow(values);
    }

    /** Whether a field is blank: the row is left out then, whatever its template, so that all tables have the same rows. */
    boolean isEmpty() {
        return values.values().stream().anyMatch(String::isBlank);
    }

    /** Halves of surrogate pairs in all fields. */
    int loneSurrogates() {
        return values.values().stream().mapToInt(Utf8::countLoneSurrogates).sum();
    }

    /** Prompt and answer by the row's template. */
    List<Document> documents(PromptTemplates templates, String origin, long line) {
        PromptTemplates.Template template = templates.of(line);
        return List.of(
                new Document(origin, line, filled(template.prompt()), true, false, Document.Part.PROMPT),
                new Document(origin, line, filled(template.answer()), false, true, Document.Part.ANSWER));
    }

    private String filled(String template) {
        String text = PromptTemplates.fill(template, values);
        return Utf8.countLoneSurrogates(text) == 0 ? text : Utf8.replaceLoneSurrogates(text);
    }
}
