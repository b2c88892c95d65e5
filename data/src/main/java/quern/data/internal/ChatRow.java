package quern.data.internal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.data.ChatMessages;
import quern.data.ChatTemplate;
import quern.data.DataFormat;
import quern.data.Document;
import quern.data.template.JinjaTemplate.Rendered;
import quern.data.template.TemplateException;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

/** Reads rows of conversations, of TRL's and ShareGPT's forms, through a chat template. */
final class ChatRow {
    private static final String MESSAGES = "messages";
    private static final String CONVERSATIONS = "conversations";
    private static final String PROMPT = "prompt";
    private static final String COMPLETION = "completion";
    private static final String ROLE = "role";
    private static final String CONTENT = "content";

    private static final Set<String> ROLES = Set.of(
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
            "function",
            "ipython",
            "environment",
            "observation",
            "tool_response",
            "documents",
            "document",
            "context");

    private static final Map<String, String> SHAREGPT_ROLES = Map.ofEntries(
            Map.entry("human", "user"),
            Map.entry("gpt", "assistant"),
            Map.entry("chatgpt", "assistant"),
            Map.entry("bing", "assistant"),
            Map.entry("bard", "assistant"),
            Map.entry("model", "assistant"),
            Map.entry("function_response", "tool"));

    private static final ObjectReader READER =
            JsonMapper.shared().readerForMapOf(Object.class).without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final DataFormat format;
    /** Null where there is none. */
    private final ChatTemplate template;

    private final Rejections rejections = new Rejections();
    private long loneSurrogates;

    ChatRow(DataFormat format, ChatTemplate template) {
        this.format = format;
        this.template = template;
    }

    Rejections rejections() {
        return rejections;
    }

    /** Halves of surrogate pairs that were replaced. */
    long loneSurrogates() {
        return loneSurrogates;
    }

    /** The form of a row with these keys, if it is one of these. */
    static Optional<DataFormat> recognize(Set<String> keys) {
        return keys.contains(MESSAGES)
                ? Optional.of(DataFormat.MESSAGES)
                : keys.contains(CONVERSATIONS)
                        ? Optional.of(DataFormat.SHAREGPT)
                        : keys.contains(PROMPT) && keys.contains(COMPLETION)
                                ? Optional.of(DataFormat.PROMPT_COMPLETION)
                                : Optional.empty();
    }

    /** A row that is left out, and why. */
    private static final class Unusable extends Exception {
        private static final long serialVersionUID = 1L;

        Unusable(String reason, Object... arguments) {
            super(reason.formatted(arguments), null, false, false);
        }
    }

    /**
     * Reads an object whose start the parser stands at; no documents where the row is left out.
     *
     * @param place of the row, for errors
     */
    List<Document> read(JsonParser parser, String origin, long line, String place) {
        Map<String, Object> row = READER.readValue(parser);
        try {
            return documents(row, origin, line, place);
        } catch (Unusable e) {
            rejections.add(e.getMessage(), place);
            return List.of();
        }
    }

    private List<Document> documents(Map<String, Object> row, String origin, long line, String place) throws Unusable {
        if (format == DataFormat.PROMPT_COMPLETION
                && row.get(PROMPT) instanceof String prompt
                && row.get(COMPLETION) instanceof String completion) {
            if (completion.isEmpty()) {
                throw new Unusable("the completion is empty");
            }
            return List.of(
                    new Document(origin, line, wellFormed(prompt), true, false, Document.Part.PROMPT),
                    new Document(origin, line, wellFormed(completion), false, true, Document.Part.ANSWER));
        }
        List<Map<String, Object>> messages = new ArrayList<>();
        int from = 0;
        switch (format) {
            case SHAREGPT -> {
                if (row.get("system") instanceof String system && !system.isBlank()) {
                    messages.add(ChatMessages.message("system", system));
                }
                add(messages, row, CONVERSATIONS);
            }
            case PROMPT_COMPLETION -> {
                add(messages, row, PROMPT);
                from = messages.size();
                add(messages, row, COMPLETION);
            }
            default -> add(messages, row, MESSAGES);
        }
        if (messages.subList(from, messages.size()).stream()
                .noneMatch(message -> ChatMessages.ASSISTANT.equals(message.get(ROLE)))) {
            throw new Unusable("no message of the assistant to learn");
        }
        return List.of(document(new ChatMessages(messages, tools(row), variables(row)), from, origin, line, place));
    }

    private Document document(ChatMessages conversation, int from, String origin, long line, String place)
            throws Unusable {
        if (template == null) {
            throw QuernException.badInput(
                    "%s: the row is a conversation, but the tokenizer has no chat template; name one by data.chat_template, a file or chatml",
                    place);
        }
        try {
            Rendered made = template.learned(conversation, from);
            if (made.generated().isEmpty()) {
                throw new Unusable("the template shows nothing that the assistant writes");
            }
            return new Document(
                    origin, line, wellFormed(made.text()), true, true, Document.Part.CONVERSATION, made.generated());
        } catch (TemplateException e) {
            if (e.problem() == TemplateException.Kind.LIMIT) {
                throw new QuernException(
                        ExitCode.BAD_INPUT,
                        "%s: %s:%d: %s".formatted(place, template.origin(), e.line(), e.getMessage()),
                        e);
            }
            throw new Unusable(
                    "%s:%d: the template %s: %s",
                    template.origin(),
                    e.line(),
                    e.problem() == TemplateException.Kind.RAISED ? "refuses it" : "can't be applied",
                    e.getMessage().strip().replaceAll("\\s+", " "));
        } catch (QuernException e) {
            throw new QuernException(e.exitCode(), place + ": " + e.getMessage(), e);
        }
    }

    private String wellFormed(String text) {
        int bad = Utf8.countLoneSurrogates(text);
        loneSurrogates += bad;
        return bad == 0 ? text : Utf8.replaceLoneSurrogates(text);
    }

    private void add(List<Map<String, Object>> messages, Map<String, Object> row, String key) throws Unusable {
        if (!(row.get(key) instanceof List<?> items)) {
            throw new Unusable("no list of messages under '%s'", key);
        }
        if (items.isEmpty()) {
            throw new Unusable("'%s' is empty", key);
        }
        for (int i = 0; i < items.size(); i++) {
            if (!(items.get(i) instanceof Map<?, ?> map)) {
                throw new Unusable("'%s' holds something that is no message", key);
            }
            messages.add(message(map));
        }
    }

    private static Map<String, Object> message(Map<?, ?> found) throws Unusable {
        Map<String, Object> message = new LinkedHashMap<>();
        found.forEach((key, value) -> {
            // Tables write absent keys as null, and templates ask whether a key is there.
            if (value != null) {
                message.put((String) key, value);
            }
        });
        if (message.remove("from") instanceof String from) {
            message.putIfAbsent(ROLE, SHAREGPT_ROLES.getOrDefault(from, from));
            Object value = message.remove("value");
            if (value != null) {
                message.putIfAbsent(CONTENT, value);
            }
        }
        if (!(message.get(ROLE) instanceof String role)) {
            throw new Unusable("a message without a role");
        }
        if (!ROLES.contains(role)) {
            throw new Unusable("a message of the unknown role '%s'", shortened(role));
        }
        Object content = message.get(CONTENT);
        if (content == null && message.containsKey("tool_calls")) {
            message.put(CONTENT, null);
        } else if (!(content instanceof String) && !isListOfParts(content)) {
            throw new Unusable("a message without a text under 'content'");
        }
        return message;
    }

    /** Whether a content is a list of parts, each with its type. */
    private static boolean isListOfParts(Object content) {
        return content instanceof List<?> parts && parts.stream().allMatch(Map.class::isInstance);
    }

    private static String shortened(String text) {
        String line = text.strip().replaceAll("\\s+", " ");
        return line.length() <= 40 ? line : line.substring(0, 40) + "…";
    }

    private static List<Object> tools(Map<String, Object> row) throws Unusable {
        Object found = row.get("tools");
        if (found instanceof String text && !text.isBlank()) {
            try {
                found = JsonMapper.shared().readValue(text, Object.class);
            } catch (JacksonException e) {
                throw new Unusable("'tools' is a text that is no JSON");
            }
        }
        return found instanceof List<?> list ? List.copyOf(list) : List.of();
    }

    private static Map<String, Object> variables(Map<String, Object> row) {
        Map<String, Object> variables = new LinkedHashMap<>();
        if (row.get("chat_template_kwargs") instanceof Map<?, ?> given) {
            given.forEach((key, value) -> variables.put((String) key, value));
        }
        return variables;
    }
}
