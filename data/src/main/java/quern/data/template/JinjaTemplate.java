package quern.data.template;

import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A template in the part of Jinja that chat templates use, with the settings of transformers: {@code trim_blocks}, {@code
 * lstrip_blocks}, {@code break} and {@code continue}, {@code raise_exception}, {@code strftime_now}, {@code tojson} without
 * HTML escapes, {@code {% generation %}}, and values that a template can't change. Values print as in Python. A template reads
 * no file, reaches no Java object, and ends: steps, text and depth have limits. Instances may be used by several threads.
 */
public final class JinjaTemplate {
    private static final int LONGEST = 1 << 20;

    private final List<Statement> statements;

    /**
     * A part of a rendered text, as offsets of UTF-16 units.
     *
     * @param from its first unit
     * @param to the unit behind its last one
     */
    public record Span(int from, int to) {}

    /**
     * What a template made.
     *
     * @param text the text
     * @param generated the parts within {@code {% generation %}}, in order; none empty
     */
    public record Rendered(String text, List<Span> generated) {
        /** Copies the spans. */
        public Rendered {
            generated = List.copyOf(generated);
        }
    }

    private JinjaTemplate(List<Statement> statements) {
        this.statements = statements;
    }

    /**
     * Reads a template.
     *
     * @throws TemplateException where it is none, with the line
     */
    public static JinjaTemplate parse(String source) {
        if (source.length() > LONGEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT,
                    0,
                    "a template of %,d characters, more than %,d".formatted(source.length(), LONGEST));
        }
        return new JinjaTemplate(Parser.parse(source));
    }

    /** Whether it says by {@code {% generation %}} what a model is to write. */
    public boolean marksGeneration() {
        return marks(statements);
    }

    private static boolean marks(List<Statement> statements) {
        return statements.stream().anyMatch(statement -> switch (statement) {
            case Statement.Generation g -> true;
            case Statement.For loop -> marks(loop.body()) || marks(loop.otherwise());
            case Statement.If choice ->
                choice.bodies().stream().anyMatch(JinjaTemplate::marks) || marks(choice.otherwise());
            case Statement.With with -> marks(with.body());
            case Statement.Macro macro -> marks(macro.body());
            case Statement.CallBlock block -> marks(block.body());
            case Statement.SetBlock block -> marks(block.body());
            case Statement.FilterBlock block -> marks(block.body());
            default -> false;
        });
    }

    /**
     * A rendered text that grows by the items of a list: that of the first k items is its beginning up to {@code starts[k]} and
     * a tail.
     *
     * @param text of all items, its tail included, where the flag is not set
     * @param starts where each item begins, and behind them where the last one ends
     * @param flaggedTail the tail where the flag is set
     */
    public record Growing(String text, int[] starts, String flaggedTail) {
        /** The tail where the flag is not set. */
        public String tail() {
            return text.substring(starts[starts.length - 1]);
        }
    }

    /**
     * Renders the template once for all beginnings of a list, where its tree shows that each is the beginning of the next; not of no
     * item at all. Empty where it does not show that.
     *
     * @param list the name of the list among the variables
     * @param flag the name of a variable that only the tail reads
     * @throws TemplateException where the template refuses the whole list or the tail
     */
    public Optional<Growing> growing(
            Map<String, ?> variables, String list, String flag, Supplier<LocalDateTime> clock) {
        return GrowingText.of(statements, list, flag).map(found -> {
            Map<String, Object> all = new LinkedHashMap<>(variables);
            all.put(flag, false);
            Renderer renderer = new Renderer(found.loop());
            String text = renderer.render(statements, scope(all, clock));
            all.put(flag, true);
            String tail = new Renderer().render(found.tail(), scope(all, clock));
            return new Growing(text, renderer.starts(), tail);
        });
    }

    private static Scope scope(Map<String, ?> variables, Supplier<LocalDateTime> clock) {
        Scope globals = new Scope(null);
        Globals.into(globals, clock);
        Scope context = new Scope(globals);
        variables.forEach((name, value) -> context.set(name, Values.of(value)));
        return context;
    }

    /**
     * Renders the template.
     *
     * @param variables null, booleans, numbers, texts, collections and maps of these
     * @throws TemplateException where it refuses or an operation does, with the line
     */
    public Rendered render(Map<String, ?> variables) {
        return render(variables, LocalDateTime::now);
    }

    /**
     * As above at another time.
     *
     * @param clock what {@code strftime_now} reads
     */
    public Rendered render(Map<String, ?> variables, Supplier<LocalDateTime> clock) {
        Renderer renderer = new Renderer();
        String text = renderer.render(statements, scope(variables, clock));
        return new Rendered(text, renderer.spans());
    }
}
