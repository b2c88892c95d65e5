package quern.data.augment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A document of JSON, an object or an array, as sentences, one for each value: {@code The name of item 1 of authors is
 * "Ann".} Values are written as in JSON.
 */
final class JsonSentences {
    private static final int DEEPEST = 64;

    private JsonSentences() {}

    /** The sentences; empty where the text is no such document, or where they would not give it back. */
    static Optional<String> tell(String text) {
        String bare = text.strip();
        if (!(bare.startsWith("{") && bare.endsWith("}") || bare.startsWith("[") && bare.endsWith("]"))) {
            return Optional.empty();
        }
        JsonNode root;
        try {
            root = Phrase.JSON.readTree(bare);
        } catch (JacksonException e) {
            return Optional.empty();
        }
        List<String> sentences = new ArrayList<>();
        if (root.isEmpty() || !tell(root, new ArrayList<>(), sentences)) {
            return Optional.empty();
        }
        String told = String.join("\n", sentences);
        return restore(told)
                .filter(back -> Phrase.JSON.readTree(back).equals(root))
                .map(back -> told);
    }

    private static boolean tell(JsonNode node, List<String> path, List<String> sentences) {
        if (path.size() > DEEPEST) {
            return false;
        }
        if (!node.isContainer() || node.isEmpty()) {
            List<String> names = new ArrayList<>(path);
            Collections.reverse(names);
            sentences.add("The %s is %s.".formatted(String.join(" of ", names), node));
            return true;
        }
        boolean all = true;
        if (node.isArray()) {
            for (int i = 0; i < node.size(); i++) {
                path.add("item " + (i + 1));
                all &= tell(node.get(i), path, sentences);
                path.removeLast();
            }
        } else {
            for (Map.Entry<String, JsonNode> entry : node.properties()) {
                path.add(Phrase.write(entry.getKey()));
                all &= tell(entry.getValue(), path, sentences);
                path.removeLast();
            }
        }
        return all;
    }

    /** The document, without spaces; empty where the text is not wholly such sentences. */
    static Optional<String> restore(String text) {
        JsonNode root = null;
        for (String line : text.split("\n", -1)) {
            if (!line.startsWith("The ") || !line.endsWith(".")) {
                return Optional.empty();
            }
            String inner = line.substring("The ".length(), line.length() - 1);
            int is = Phrase.find(inner, " is ", 0);
            if (is < 0) {
                return Optional.empty();
            }
            List<String> path = new ArrayList<>(Phrase.split(inner.substring(0, is), " of "));
            Collections.reverse(path);
            try {
                JsonNode value = Phrase.JSON.readTree(inner.substring(is + 4));
                root = root == null ? empty(path.getFirst()) : root;
                if (!put(root, path, value)) {
                    return Optional.empty();
                }
            } catch (JacksonException e) {
                return Optional.empty();
            }
        }
        return Optional.ofNullable(root).map(JsonNode::toString);
    }

    private static JsonNode empty(String name) {
        return name.matches("item \\d{1,9}") ? Phrase.JSON.createArrayNode() : Phrase.JSON.createObjectNode();
    }

    private static boolean put(JsonNode root, List<String> path, JsonNode value) {
        JsonNode at = root;
        for (int i = 0; i < path.size(); i++) {
            boolean last = i + 1 == path.size();
            JsonNode next = last ? value : empty(path.get(i + 1));
            if (at instanceof ArrayNode array && path.get(i).matches("item \\d{1,9}")) {
                int index = Integer.parseInt(path.get(i).substring("item ".length())) - 1;
                if (index == array.size()) {
                    array.add(next);
                } else if (last || index != array.size() - 1) {
                    return false;
                }
                at = array.get(index);
            } else if (at instanceof ObjectNode object && !path.get(i).matches("item \\d{1,9}")) {
                String name = Phrase.read(path.get(i));
                if (object.get(name) == null) {
                    object.set(name, next);
                } else if (last) {
                    return false;
                }
                at = object.get(name);
            } else {
                return false;
            }
        }
        return true;
    }
}
