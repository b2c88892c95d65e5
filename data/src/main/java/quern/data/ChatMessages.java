package quern.data;

import java.util.List;
import java.util.Map;

/**
 * A conversation as a chat template reads it: plain maps, lists, texts, numbers, booleans and nulls.
 *
 * @param messages in order; each has a {@code role} and usually a {@code content}
 * @param tools descriptions of functions that the model may call, as JSON schemas; empty where there are none
 * @param variables what else the template reads, by name
 */
public record ChatMessages(List<Map<String, Object>> messages, List<Object> tools, Map<String, Object> variables) {
    /** The role whose messages a model learns to write. */
    public static final String ASSISTANT = "assistant";

    /** A conversation without tools. */
    public static ChatMessages of(List<Map<String, Object>> messages) {
        return new ChatMessages(messages, List.of(), Map.of());
    }

    /** A message of one text. */
    public static Map<String, Object> message(String role, String content) {
        return Map.of("role", role, "content", content);
    }

    /** Its first messages. */
    ChatMessages first(int count) {
        return new ChatMessages(messages.subList(0, count), tools, variables);
    }

    boolean isAssistant(int index) {
        return ASSISTANT.equals(messages.get(index).get("role"));
    }
}
