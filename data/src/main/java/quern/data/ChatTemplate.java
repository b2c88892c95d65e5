package quern.data;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import quern.data.internal.Json;
import quern.data.template.JinjaTemplate;
import quern.data.template.JinjaTemplate.Growing;
import quern.data.template.JinjaTemplate.Rendered;
import quern.data.template.JinjaTemplate.Span;
import quern.data.template.TemplateException;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * What makes one text of a conversation, as the model was or will be trained: a Jinja template beside a tokenizer, in {@code
 * chat_template.jinja} or {@code tokenizer_config.json}, rendered as transformers does. A template sees {@code messages},
 * {@code tools}, {@code documents}, {@code add_generation_prompt}, and the tokenizer's special tokens by name. Instances may
 * be used by several threads.
 */
public final class ChatTemplate {
    /** The name of the file beside a tokenizer. */
    public static final String FILE = "chat_template.jinja";

    /** The name of the built-in template. */
    public static final String CHATML = "chatml";

    private static final String CHATML_SOURCE = """
            {%- for message in messages %}
            {%- if message.content is none %}{% set content = '' %}
            {%- elif message.content is string %}{% set content = message.content %}
            {%- else %}{% set content = message.content|selectattr('text', 'defined')|map(attribute='text')|join %}{% endif %}
            {{- '<|im_start|>' ~ message.role ~ '\\n' }}
            {%- if message.role == 'assistant' %}{% generation %}{{ content ~ '<|im_end|>' }}{% endgeneration %}
            {%- else %}{{ content ~ '<|im_end|>' }}{% endif %}
            {{- '\\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
            """;

    /** Names under which messages carry what a model thought, the usual one first. */
    private static final List<String> REASONING = List.of("reasoning_content", "thinking", "reasoning");

    private static final String MESSAGES = "messages";
    private static final String PROMPT = "add_generation_prompt";

    private final String origin;
    private final String source;
    private final JinjaTemplate template;
    private final Map<String, String> tokens;
    private final boolean marksGeneration;

    private ChatTemplate(String origin, String source, JinjaTemplate template, Map<String, String> tokens) {
        this.origin = origin;
        this.source = source;
        this.template = template;
        this.tokens = Map.copyOf(tokens);
        this.marksGeneration = template.marksGeneration();
    }

    /**
     * Reads a template.
     *
     * @param origin the file it came from, for errors
     * @param tokens special tokens by the names that templates use, such as {@code eos_token}
     * @throws QuernException where the text is no template, with the line
     */
    public static ChatTemplate of(String origin, String source, Map<String, String> tokens) {
        try {
            return new ChatTemplate(origin, source, JinjaTemplate.parse(source), tokens);
        } catch (TemplateException e) {
            throw new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s:%d: not a usable chat template (%s); repair it or name another by data.chat_template"
                            .formatted(origin, e.line(), oneLine(e)),
                    e);
        }
    }

    /** The built-in template: ChatML, each turn between {@code <|im_start|>} and {@code <|im_end|>}. */
    public static ChatTemplate chatml(Map<String, String> tokens) {
        return of(CHATML, CHATML_SOURCE, tokens);
    }

    /**
     * The template of this name.
     *
     * @param name {@code chatml}, or a file
     * @throws QuernException where there is no such file or it is no template
     */
    public static ChatTemplate named(String name, Map<String, String> tokens) {
        if (name.equals(CHATML)) {
            return chatml(tokens);
        }
        Path file = Path.of(name);
        if (!Files.isRegularFile(file)) {
            throw QuernException.badInput(
                    "data.chat_template: %s: no such file; expected a Jinja file, or %s", name, CHATML);
        }
        return of(name, Json.read(file), tokens);
    }

    /** The text of the template. */
    public String source() {
        return source;
    }

    /** Where it comes from. */
    public String origin() {
        return origin;
    }

    /**
     * The text of a conversation.
     *
     * @param addGenerationPrompt whether the text ends where the assistant's next message begins
     * @throws QuernException where the template refuses the conversation
     */
    public String render(ChatMessages conversation, boolean addGenerationPrompt) {
        try {
            return rendered(conversation, addGenerationPrompt, LocalDateTime::now)
                    .text();
        } catch (TemplateException e) {
            throw failure(e);
        }
    }

    /** The text that ends a message of the assistant, without white space at its ends; empty where there is none. */
    public Optional<String> turnEnd() {
        String mark = "quern-turn-end-mark";
        try {
            String text = rendered(
                            ChatMessages.of(List.of(
                                    ChatMessages.message("user", "?"),
                                    ChatMessages.message(ChatMessages.ASSISTANT, mark))),
                            false,
                            LocalDateTime::now)
                    .text();
            int at = text.lastIndexOf(mark);
            String end = at < 0 ? "" : text.substring(at + mark.length()).strip();
            return end.isEmpty() ? Optional.empty() : Optional.of(end);
        } catch (TemplateException e) {
            // A template that takes no such conversation says what is wrong with the one it is given.
            return Optional.empty();
        }
    }

    private QuernException failure(TemplateException e) {
        return new QuernException(
                ExitCode.BAD_INPUT,
                e.problem() == TemplateException.Kind.RAISED
                        ? "%s:%d: the template refuses the conversation (%s)".formatted(origin, e.line(), oneLine(e))
                        : "%s:%d: the template can't be applied (%s)".formatted(origin, e.line(), oneLine(e)),
                e);
    }

    private static String oneLine(TemplateException e) {
        String message = e.getMessage().strip().replaceAll("\\s+", " ");
        return message.length() <= 300 ? message : message.substring(0, 300) + "…";
    }

    /**
     * As transformers renders it.
     *
     * @param clock what the template takes for the present
     */
    public Rendered rendered(ChatMessages conversation, boolean addGenerationPrompt, Supplier<LocalDateTime> clock) {
        Map<String, Object> variables = variables(conversation);
        variables.put(PROMPT, addGenerationPrompt);
        return template.render(variables, clock);
    }

    private Map<String, Object> variables(ChatMessages conversation) {
        Map<String, Object> variables = new LinkedHashMap<>(tokens);
        variables.putAll(conversation.variables());
        variables.put(MESSAGES, withReasoning(conversation.messages()));
        variables.put("tools", conversation.tools().isEmpty() ? null : conversation.tools());
        variables.putIfAbsent("documents", null);
        return variables;
    }

    /** What a model thought, under the names that templates look for. */
    private static List<Map<String, Object>> withReasoning(List<Map<String, Object>> messages) {
        List<Map<String, Object>> all = new ArrayList<>(messages.size());
        for (Map<String, Object> message : messages) {
            Object thought = REASONING.stream()
                    .map(message::get)
                    .filter(found -> found != null)
                    .findFirst()
                    .orElse(null);
            if (thought == null) {
                all.add(message);
            } else {
                Map<String, Object> filled = new LinkedHashMap<>(Map.of("thinking", thought));
                filled.putAll(message);
                filled.put("reasoning_content", thought);
                all.add(filled);
            }
        }
        return all;
    }

    /**
     * The text of a conversation to learn from, with the parts that the model is to write: what the template puts between
     * {@code {% generation %}} and {@code {% endgeneration %}}, or, where it has no such marks, what each message of the
     * assistant adds to the text of the messages before it that ends in a generation prompt.
     *
     * @param from messages before this one are context, also those of the assistant
     * @throws TemplateException where the template refuses the conversation
     * @throws QuernException where the template can't tell what the model is to write
     */
    public Rendered learned(ChatMessages conversation, int from) {
        // One time for all renderings, or a template that writes it would differ from one to the next.
        LocalDateTime now = LocalDateTime.now();
        Rendered whole = rendered(conversation, false, () -> now);
        return marksGeneration
                ? new Rendered(whole.text(), after(whole, conversation, from, () -> now))
                : new Rendered(whole.text(), byDifference(whole.text(), conversation, from, () -> now));
    }

    private List<Span> after(Rendered whole, ChatMessages conversation, int from, Supplier<LocalDateTime> clock) {
        if (from == 0) {
            return whole.generated();
        }
        // Marks carry no message's number, so those of the context are counted by rendering it alone.
        int before = rendered(conversation.first(from), true, clock).generated().size();
        List<Span> spans = whole.generated();
        return spans.subList(Math.min(before, spans.size()), spans.size());
    }

    /** What a message adds behind the generation prompt; empty where the text does not go on as those before it end. */
    private static Optional<Span> added(Growing growing, int message) {
        String text = growing.text();
        String tail = growing.tail();
        int begin = growing.starts()[message];
        int end = growing.starts()[message + 1];
        boolean goesOn = text.startsWith(growing.flaggedTail(), begin)
                && text.startsWith(tail, end)
                && begin + growing.flaggedTail().length() <= end + tail.length();
        return goesOn
                ? Optional.of(new Span(begin + growing.flaggedTail().length(), end + tail.length()))
                : Optional.empty();
    }

    private List<Span> byDifference(String whole, ChatMessages conversation, int from, Supplier<LocalDateTime> clock) {
        List<Span> spans = new ArrayList<>();
        int messages = conversation.messages().size();
        // One rendering tells all beginnings where the template's form allows it; otherwise each is rendered.
        Optional<Growing> growing = template.growing(variables(conversation), MESSAGES, PROMPT, clock);
        for (int i = from; i < messages; i++) {
            if (!conversation.isAssistant(i)) {
                continue;
            }
            Optional<Span> known = i == 0 || growing.isEmpty() ? Optional.empty() : added(growing.get(), i);
            if (known.isPresent()) {
                known.filter(span -> span.to() > span.from()).ifPresent(spans::add);
                continue;
            }
            String prompt = rendered(conversation.first(i), true, clock).text();
            String answered = i + 1 == messages
                    ? whole
                    : rendered(conversation.first(i + 1), false, clock).text();
            if (!answered.startsWith(prompt) || !whole.startsWith(answered)) {
                throw new QuernException(
                        ExitCode.BAD_INPUT,
                        "%s: the text of message %d can't be told from its context: the template has no {%% generation %%}, and %s; put {%% generation %%} and {%% endgeneration %%} around what the assistant writes"
                                .formatted(
                                        origin,
                                        i + 1,
                                        answered.startsWith(prompt)
                                                ? "writes earlier messages otherwise once others follow"
                                                : "its generation prompt does not begin what the assistant is shown to write"),
                        null);
            }
            if (answered.length() > prompt.length()) {
                spans.add(new Span(prompt.length(), answered.length()));
            }
        }
        return spans;
    }
}
