package quern.data.internal;

import java.util.HashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** Tokens that are found in a text before it is cut into words: of those that begin at a place, the longest. */
final class AddedTokens {
    /**
     * One of them.
     *
     * @param plain whether it is found as it is spelled, whatever is around it, and takes nothing of that
     */
    record Added(String content, int id, boolean plain) {}

    private static final class Node {
        private final Map<Character, Node> next = new HashMap<>();
        private Added token;
    }

    private static final int ASCII = 128;

    private final Node root = new Node();
    private final boolean[] begins = new boolean[ASCII];
    private boolean beginsOutside;

    /**
     * The tokens of a {@code tokenizer.json} that are found in the text as it is, or those that are found after normalisation.
     */
    AddedTokens(JsonNode added, boolean normalized) {
        for (JsonNode each : added) {
            String content = each.path("content").asString("");
            if (!content.isEmpty() && each.path("normalized").asBoolean(false) == normalized) {
                boolean plain = !each.path("single_word").asBoolean(false)
                        && !each.path("lstrip").asBoolean(false)
                        && !each.path("rstrip").asBoolean(false);
                add(new Added(content, each.path("id").asInt(-1), plain));
            }
        }
    }

    private void add(Added token) {
        Node node = root;
        for (int i = 0; i < token.content().length(); i++) {
            node = node.next.computeIfAbsent(token.content().charAt(i), c -> new Node());
        }
        node.token = token;
        char first = token.content().charAt(0);
        if (first < ASCII) {
            begins[first] = true;
        } else {
            beginsOutside = true;
        }
    }

    /** Whether there is none. */
    boolean isEmpty() {
        return root.next.isEmpty();
    }

    /** The longest that begins at a place and ends within the range, or null. */
    Added at(String text, int at, int to) {
        char first = text.charAt(at);
        if (first < ASCII ? !begins[first] : !beginsOutside) {
            return null;
        }
        Added longest = null;
        Node node = root;
        for (int i = at; i < to && node != null; i++) {
            node = node.next.get(text.charAt(i));
            longest = node != null && node.token != null ? node.token : longest;
        }
        return longest;
    }
}
