package quern.data.template;

import java.util.List;

/** An expression of a template as a tree. */
sealed interface Expression {
    /** Its line in the template. */
    int line();

    record Literal(int line, Object value) implements Expression {}

    record Name(int line, String name) implements Expression {}

    record ListOf(int line, List<Expression> items) implements Expression {}

    record TupleOf(int line, List<Expression> items) implements Expression {}

    record DictOf(int line, List<Expression> keys, List<Expression> values) implements Expression {}

    record Attribute(int line, Expression target, String name) implements Expression {}

    record Index(int line, Expression target, Expression key) implements Expression {}

    /** Between brackets only; a part that is left out is null. */
    record Slice(int line, Expression from, Expression to, Expression step) implements Expression {}

    record Call(int line, Expression target, Passed passed) implements Expression {}

    /** {@code target} is null where the filter is given a block of text. */
    record Filter(int line, Expression target, String name, Passed passed) implements Expression {}

    record Test(int line, Expression target, String name, Passed passed) implements Expression {}

    record Not(int line, Expression operand) implements Expression {}

    record Sign(int line, boolean negative, Expression operand) implements Expression {}

    record Binary(int line, String operator, Expression left, Expression right) implements Expression {}

    record Logical(int line, boolean and, Expression left, Expression right) implements Expression {}

    /** Operators and right sides belong together, as in {@code a < b <= c}. */
    record Compare(int line, Expression first, List<String> operators, List<Expression> others) implements Expression {}

    record Concat(int line, List<Expression> parts) implements Expression {}

    /** {@code otherwise} is null where there is no else. */
    record Conditional(int line, Expression test, Expression then, Expression otherwise) implements Expression {}

    /** What stands between the parentheses of a call; {@code star} and {@code doubleStar} may be null. */
    record Passed(
            List<Expression> positional,
            List<String> names,
            List<Expression> named,
            Expression star,
            Expression doubleStar) {
        static final Passed NOTHING = new Passed(List.of(), List.of(), List.of(), null, null);
    }
}
