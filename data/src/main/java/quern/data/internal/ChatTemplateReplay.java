package quern.data.internal;

import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.data.ChatMessages;
import quern.data.ChatTemplate;
import quern.data.template.JinjaTemplate.Rendered;
import quern.data.template.JinjaTemplate.Span;
import quern.data.template.TemplateException;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Replays cases of kind {@code chat_template}: {@code template_file} beside the case, rendered with {@code messages}, {@code
 * tools}, {@code add_generation_prompt} and {@code variables} at the time {@code now}, must give {@code expected}, and the
 * parts in {@code generated} (code points from and to) within its marks of generation. With {@code "refused": true} the
 * template must refuse. Errors are characters that differ.
 */
public final class ChatTemplateReplay implements GoldenReplay {
    @Override
    public String kind() {
        return "chat_template";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        JsonNode json = golden.json();
        Path file = golden.folder().resolve(json.path("template_file").asString(""));
        ChatTemplate template = ChatTemplate.of(file.toString(), Json.read(file), Map.of());
        List<Map<String, Object>> messages = new ArrayList<>();
        json.path("messages").forEach(message -> messages.add(map(message)));
        List<Object> tools = new ArrayList<>();
        json.path("tools").forEach(tool -> tools.add(map(tool)));
        ChatMessages conversation = new ChatMessages(messages, tools, map(json.path("variables")));
        LocalDateTime now = LocalDateTime.parse(json.path("now").asString("2024-07-26T09:05:03"));
        boolean refused = json.path("refused").asBoolean(false);
        Rendered made;
        try {
            made = template.rendered(
                    conversation, json.path("add_generation_prompt").asBoolean(false), () -> now);
        } catch (TemplateException e) {
            if (refused) {
                return List.of(GoldenCheck.of("refused", 0, 0));
            }
            throw QuernException.failed("%s:%d: %s", file, e.line(), e.getMessage());
        }
        if (refused) {
            return List.of(GoldenCheck.of("refused", 1, 0));
        }
        List<GoldenCheck> checks = new ArrayList<>();
        checks.add(GoldenCheck.of(
                "text", different(made.text(), json.path("expected").asString("")), 0));
        if (json.has("generated")) {
            checks.add(GoldenCheck.of("generated", differentSpans(made, json.path("generated")), 0));
        }
        return checks;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(JsonNode node) {
        return node.isObject() ? JsonMapper.shared().treeToValue(node, LinkedHashMap.class) : Map.of();
    }

    private static int different(String found, String expected) {
        int shared = Math.min(found.length(), expected.length());
        int different = Math.max(found.length(), expected.length()) - shared;
        for (int i = 0; i < shared; i++) {
            different += found.charAt(i) == expected.charAt(i) ? 0 : 1;
        }
        return different;
    }

    private static int differentSpans(Rendered made, JsonNode expected) {
        int different = Math.abs(made.generated().size() - expected.size());
        for (int i = 0; i < Math.min(made.generated().size(), expected.size()); i++) {
            Span span = made.generated().get(i);
            boolean same = made.text().codePointCount(0, span.from())
                            == expected.get(i).path(0).asInt(-1)
                    && made.text().codePointCount(0, span.to())
                            == expected.get(i).path(1).asInt(-1);
            different += same ? 0 : 1;
        }
        return different;
    }
}
