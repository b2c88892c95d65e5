package quern.data.internal;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.data.AlpacaTemplate;
import quern.data.Document;
import quern.recipe.QuernException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** A row in the form of Alpaca: a task, what it is about, and the answer. */
record InstructionRow(String instruction, String input, String output) {
    private static final String INSTRUCTION = "instruction";
    private static final String INPUT = "input";
    private static final String OUTPUT = "output";
    private static final int SHOWN_KEYS = 12;

    /** Whether an object with these keys is such a row. */
    static boolean isOne(Set<String> keys) {
        return keys.contains(INSTRUCTION) && keys.contains(OUTPUT);
    }

    /**
     * Reads an object whose start the parser stands at.
     *
     * @param place of the row, for errors
     */
    static InstructionRow read(JsonParser parser, String place) {
        Set<String> seen = new LinkedHashSet<>();
        Map<String, String> texts = new HashMap<>();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            JsonToken token = parser.nextToken();
            if (seen.size() < SHOWN_KEYS) {
                seen.add(name);
            }
            boolean wanted = name.equals(INSTRUCTION) || name.equals(INPUT) || name.equals(OUTPUT);
            if (!wanted) {
                parser.skipChildren();
            } else if (token == JsonToken.VALUE_STRING) {
                texts.put(name, parser.getString());
            } else if (token != JsonToken.VALUE_NULL || !name.equals(INPUT)) {
                throw QuernException.failed(
                        "%s: '%s' holds %s, expected a string", place, name, JsonTokens.describe(token));
            }
        }
        for (String key : List.of(INSTRUCTION, OUTPUT)) {
            if (!texts.containsKey(key)) {
                throw QuernException.badInput(
                        "%s: no '%s' in this row; it has %s; an instruction row has instruction, input (may be left out) and output",
                        place, key, seen);
            }
        }
        return new InstructionRow(texts.get(INSTRUCTION), texts.getOrDefault(INPUT, ""), texts.get(OUTPUT));
    }

    /** Whether there is nothing to ask or nothing to learn. */
    boolean isEmpty() {
        return instruction.isBlank() || output.isEmpty();
    }

    /** Prompt and answer. */
    List<Document> documents(String origin, long line) {
        return List.of(
                new Document(
                        origin, line, AlpacaTemplate.prompt(instruction, input), true, false, Document.Part.PROMPT),
                new Document(origin, line, output, false, true, Document.Part.ANSWER));
    }

    /** Halves of surrogate pairs in the three texts. */
    int loneSurrogates() {
        return Utf8.countLoneSurrogates(instruction)
                + Utf8.countLoneSurrogates(input)
                + Utf8.countLoneSurrogates(output);
    }

    /** The row with each such half replaced. */
    InstructionRow wellFormed() {
        return loneSurrogates() == 0
                ? this
                : new InstructionRow(
                        Utf8.replaceLoneSurrogates(instruction),
                        Utf8.replaceLoneSurrogates(input),
                        Utf8.replaceLoneSurrogates(output));
    }
}
