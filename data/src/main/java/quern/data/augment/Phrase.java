package quern.data.augment;

import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A piece of data within a sentence: as it is where that is clear, otherwise in quotes as JSON has them. */
final class Phrase {
    static final JsonMapper JSON = JsonMapper.builder()
            .enable(tools.jackson.databind.DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(tools.jackson.databind.DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private Phrase() {}

    static String write(String value) {
        boolean clear = !value.isEmpty()
                && value.equals(value.strip())
                && !value.contains(" of ")
                && !value.contains(" is ")
                && !value.contains("; ")
                && !value.startsWith("of ")
                && !value.startsWith("is ")
                && !value.endsWith(" of")
                && !value.endsWith(" is")
                && !value.endsWith(";")
                && value.indexOf('"') < 0
                && value.indexOf('\r') < 0
                && !value.matches("item \\d+");
        return clear ? value : JSON.writeValueAsString(value);
    }

    static String read(String phrase) {
        if (!phrase.startsWith("\"")) {
            return phrase;
        }
        try {
            JsonNode node = JSON.readTree(phrase);
            return node.isString() ? node.stringValue() : phrase;
        } catch (JacksonException e) {
            return phrase;
        }
    }

    /** Where {@code divider} stands outside of quotes, from {@code from} on; -1 where it does not. */
    static int find(String text, String divider, int from) {
        boolean quoted = false;
        for (int i = from; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quoted && c == '\\') {
                i++;
            } else if (c == '"') {
                quoted = !quoted;
            } else if (!quoted && text.startsWith(divider, i)) {
                return i;
            }
        }
        return -1;
    }

    /** The parts between dividers outside of quotes. */
    static java.util.List<String> split(String text, String divider) {
        java.util.List<String> parts = new java.util.ArrayList<>();
        int from = 0;
        for (int at = find(text, divider, 0); at >= 0; at = find(text, divider, from)) {
            parts.add(text.substring(from, at));
            from = at + divider.length();
        }
        parts.add(text.substring(from));
        return parts;
    }
}
