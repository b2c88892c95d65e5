package quern.data.template;

/**
 * A piece of a template's source.
 *
 * @param text a name, an operator's or tag's spelling, or text outside of tags; the value of a string
 * @param value of a number; otherwise null
 */
record Token(Kind kind, String text, Object value, int line) {
    enum Kind {
        DATA("text"),
        OPEN_VARIABLE("begin of print statement"),
        CLOSE_VARIABLE("end of print statement"),
        OPEN_BLOCK("begin of statement block"),
        CLOSE_BLOCK("end of statement block"),
        NAME("a name"),
        STRING("a string"),
        NUMBER("a number"),
        OPERATOR("an operator"),
        END("end of template");

        private final String words;

        Kind(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }
    }

    Token(Kind kind, String text, int line) {
        this(kind, text, null, line);
    }

    boolean is(Kind other) {
        return kind == other;
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    /** For errors. */
    String describe() {
        return switch (kind) {
            case NAME, OPERATOR -> "'" + text + "'";
            default -> kind.words();
        };
    }
}
