package quern.data.template;

import java.util.List;

/** A statement of a template as a tree. */
sealed interface Statement {
    /** Its line in the template. */
    int line();

    record Text(int line, String text) implements Statement {}

    record Output(int line, Expression value) implements Statement {}

    /** {@code filter} is null where all items are taken. */
    record For(
            int line,
            Target target,
            Expression items,
            Expression filter,
            boolean recursive,
            List<Statement> body,
            List<Statement> otherwise)
            implements Statement {}

    record If(int line, List<Expression> tests, List<List<Statement>> bodies, List<Statement> otherwise)
            implements Statement {}

    record Set(int line, Target target, Expression value) implements Statement {}

    /** {@code filters} is null or a chain whose innermost target is null. */
    record SetBlock(int line, Target target, Expression filters, List<Statement> body) implements Statement {}

    record Macro(int line, String name, Signature signature, List<Statement> body) implements Statement {}

    record CallBlock(int line, Expression.Call call, Signature signature, List<Statement> body) implements Statement {}

    record FilterBlock(int line, Expression filters, List<Statement> body) implements Statement {}

    record With(int line, List<Target> targets, List<Expression> values, List<Statement> body) implements Statement {}

    record Generation(int line, List<Statement> body) implements Statement {}

    record Break(int line) implements Statement {}

    record Continue(int line) implements Statement {}

    /**
     * The parameters of a macro.
     *
     * @param defaults of the last parameters, as many as have one
     * @param varargs whether the body reads further positional arguments
     * @param kwargs whether the body reads further named arguments
     * @param caller whether the body reads the block that calls it
     */
    record Signature(
            List<String> parameters, List<Expression> defaults, boolean varargs, boolean kwargs, boolean caller) {}

    /** Where a value goes. */
    sealed interface Target {
        record Variable(String name) implements Target {}

        record Field(String object, String name) implements Target {}

        record Several(List<Target> targets) implements Target {}
    }
}
