package quern.data.template;

/**
 * A template that can't be read or rendered. Its message has no place in it; {@link #line} says where.
 */
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int line;
    private final Kind kind;

    /** What went wrong. */
    public enum Kind {
        /** The text is no template: wrong whatever is rendered. */
        SYNTAX,
        /** An operation that the values do not allow, such as an attribute of something undefined. */
        VALUE,
        /** The template itself refused by {@code raise_exception}. */
        RAISED,
        /** More steps, output, or depth than a template may use. */
        LIMIT
    }

    TemplateException(Kind kind, int line, String message) {
        super(message);
        this.kind = kind;
        this.line = line;
    }

    /** What went wrong. */
    public Kind problem() {
        return kind;
    }

    /** The line of the template, from 1; 0 where it is not known. */
    public int line() {
        return line;
    }

    TemplateException at(int place) {
        if (line > 0) {
            return this;
        }
        TemplateException placed = new TemplateException(kind, place, getMessage());
        placed.setStackTrace(getStackTrace());
        return placed;
    }

    static TemplateException value(String message, Object... arguments) {
        return new TemplateException(Kind.VALUE, 0, message.formatted(arguments));
    }
}
