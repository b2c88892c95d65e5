package quern.data.template;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import quern.data.template.Expression.Passed;

/** Makes trees of expressions, by Jinja's precedence: {@code **} binds to the left, {@code -x|f} is {@code (-x)|f}. */
final class ExpressionParser {
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final int DEEPEST = 100;

    private final TokenReader in;
    private int depth;
    /** Names read since it was last emptied. */
    private Set<String> names = new HashSet<>();

    ExpressionParser(TokenReader in) {
        this.in = in;
    }

    /** The names read so far; they are counted anew from here. */
    Set<String> swapNames(Set<String> next) {
        Set<String> found = names;
        names = next;
        return found;
    }

    Expression expression() {
        if (++depth > DEEPEST) {
            throw in.error("an expression is nested more than %d deep".formatted(DEEPEST));
        }
        Expression value = disjunction();
        while (in.current().isName("if")) {
            int line = in.take().line();
            Expression test = disjunction();
            Expression otherwise = in.takeName("else") ? expression() : null;
            value = new Expression.Conditional(line, test, value, otherwise);
        }
        depth--;
        return value;
    }

    Expression disjunction() {
        Expression left = conjunction();
        while (in.current().isName("or")) {
            left = new Expression.Logical(in.take().line(), false, left, conjunction());
        }
        return left;
    }

    private Expression conjunction() {
        Expression left = negation();
        while (in.current().isName("and")) {
            left = new Expression.Logical(in.take().line(), true, left, negation());
        }
        return left;
    }

    private Expression negation() {
        if (in.current().isName("not")) {
            int line = in.take().line();
            if (++depth > DEEPEST) {
                throw in.error("an expression is nested more than %d deep".formatted(DEEPEST));
            }
            Expression operand = negation();
            depth--;
            return new Expression.Not(line, operand);
        }
        return comparison();
    }

    private Expression comparison() {
        int line = in.current().line();
        Expression first = sum();
        List<String> operators = new ArrayList<>();
        List<Expression> others = new ArrayList<>();
        while (true) {
            Token token = in.current();
            if (token.is(Token.Kind.OPERATOR) && COMPARISONS.contains(token.text())) {
                operators.add(in.take().text());
            } else if (in.takeName("in")) {
                operators.add("in");
            } else if (token.isName("not") && in.following().isName("in")) {
                in.take();
                in.take();
                operators.add("not in");
            } else {
                break;
            }
            others.add(sum());
        }
        return operators.isEmpty() ? first : new Expression.Compare(line, first, operators, others);
    }

    private Expression sum() {
        Expression left = concatenation();
        while (in.current().isOperator("+") || in.current().isOperator("-")) {
            Token operator = in.take();
            left = new Expression.Binary(operator.line(), operator.text(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        int line = in.current().line();
        Expression first = product();
        if (!in.current().isOperator("~")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (in.takeOperator("~")) {
            parts.add(product());
        }
        return new Expression.Concat(line, parts);
    }

    private Expression product() {
        Expression left = power();
        while (in.current().isOperator("*")
                || in.current().isOperator("/")
                || in.current().isOperator("//")
                || in.current().isOperator("%")) {
            Token operator = in.take();
            left = new Expression.Binary(operator.line(), operator.text(), left, power());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        while (in.current().isOperator("**")) {
            Token operator = in.take();
            left = new Expression.Binary(operator.line(), operator.text(), left, unary(true));
        }
        return left;
    }

    private Expression unary(boolean withFilter) {
        Token token = in.current();
        Expression value;
        if (token.isOperator("-") || token.isOperator("+")) {
            in.take();
            if (++depth > DEEPEST) {
                throw in.error("an expression is nested more than %d deep".formatted(DEEPEST));
            }
            value = new Expression.Sign(token.line(), token.isOperator("-"), unary(false));
            depth--;
        } else {
            value = primary();
        }
        value = postfix(value);
        return withFilter ? filters(value) : value;
    }

    Expression primary() {
        Token token = in.current();
        switch (token.kind()) {
            case NAME -> {
                in.take();
                return name(token);
            }
            case STRING -> {
                StringBuilder text = new StringBuilder();
                while (in.current().is(Token.Kind.STRING)) {
                    text.append(in.take().text());
                }
                return new Expression.Literal(token.line(), text.toString());
            }
            case NUMBER -> {
                in.take();
                return new Expression.Literal(token.line(), token.value());
            }
            default -> {
                if (in.takeOperator("(")) {
                    Expression inner = tuple(true, true);
                    in.expectOperator(")");
                    return inner;
                }
                if (token.isOperator("[")) {
                    return list();
                }
                if (token.isOperator("{")) {
                    return dictionary();
                }
                throw in.unexpected("an expression");
            }
        }
    }

    private Expression name(Token token) {
        return switch (token.text()) {
            case "true", "True" -> new Expression.Literal(token.line(), true);
            case "false", "False" -> new Expression.Literal(token.line(), false);
            case "none", "None" -> new Expression.Literal(token.line(), null);
            default -> {
                if (!Character.isUnicodeIdentifierStart(token.text().codePointAt(0))
                        && token.text().charAt(0) != '_') {
                    throw in.error("'%s' is no name".formatted(token.text()));
                }
                names.add(token.text());
                yield new Expression.Name(token.line(), token.text());
            }
        };
    }

    /**
     * One expression, or several with commas between, which make a tuple.
     *
     * @param conditional whether {@code a if b} may stand here; not where {@code if} goes on with something else
     * @param parentheses whether nothing at all is an empty tuple
     */
    Expression tuple(boolean conditional, boolean parentheses) {
        int line = in.current().line();
        List<Expression> items = new ArrayList<>();
        boolean several = false;
        while (!endsTuple()) {
            items.add(conditional ? expression() : disjunction());
            if (!in.takeOperator(",")) {
                break;
            }
            several = true;
        }
        if (!several && items.size() == 1) {
            return items.getFirst();
        }
        if (!several && !parentheses) {
            throw in.unexpected("an expression");
        }
        return new Expression.TupleOf(line, items);
    }

    private boolean endsTuple() {
        Token token = in.current();
        return token.is(Token.Kind.CLOSE_BLOCK)
                || token.is(Token.Kind.CLOSE_VARIABLE)
                || token.isOperator(")")
                || token.isName("recursive");
    }

    private Expression list() {
        int line = in.take().line();
        List<Expression> items = new ArrayList<>();
        while (!in.current().isOperator("]")) {
            items.add(expression());
            if (!in.takeOperator(",")) {
                break;
            }
        }
        in.expectOperator("]");
        return new Expression.ListOf(line, items);
    }

    private Expression dictionary() {
        int line = in.take().line();
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!in.current().isOperator("}")) {
            keys.add(expression());
            in.expectOperator(":");
            values.add(expression());
            if (!in.takeOperator(",")) {
                break;
            }
        }
        in.expectOperator("}");
        return new Expression.DictOf(line, keys, values);
    }

    private Expression postfix(Expression start) {
        Expression value = start;
        while (true) {
            if (in.current().isOperator(".")) {
                value = attribute(value);
            } else if (in.current().isOperator("[")) {
                value = index(value);
            } else if (in.current().isOperator("(")) {
                value = call(value);
            } else {
                return value;
            }
        }
    }

    private Expression filters(Expression start) {
        Expression value = start;
        while (true) {
            if (in.current().isOperator("|")) {
                value = filter(value);
            } else if (in.current().isName("is")) {
                value = test(value);
            } else if (in.current().isOperator("(")) {
                value = call(value);
            } else {
                return value;
            }
        }
    }

    private Expression attribute(Expression target) {
        int line = in.take().line();
        Token name = in.take();
        if (name.is(Token.Kind.NAME)) {
            return new Expression.Attribute(line, target, name.text());
        }
        if (name.is(Token.Kind.NUMBER) && !(name.value() instanceof Double)) {
            return new Expression.Index(line, target, new Expression.Literal(line, name.value()));
        }
        throw new TemplateException(
                TemplateException.Kind.SYNTAX,
                line,
                "expected a name or a number behind '.', found " + name.describe());
    }

    private Expression index(Expression target) {
        int line = in.take().line();
        List<Expression> keys = new ArrayList<>();
        while (!in.current().isOperator("]")) {
            keys.add(subscript());
            if (!in.takeOperator(",")) {
                break;
            }
        }
        in.expectOperator("]");
        return new Expression.Index(
                line, target, keys.size() == 1 ? keys.getFirst() : new Expression.TupleOf(line, keys));
    }

    private Expression subscript() {
        int line = in.current().line();
        Expression from = in.current().isOperator(":") ? null : expression();
        if (!in.takeOperator(":")) {
            return from;
        }
        Expression to = sliceEnds() || in.current().isOperator(":") ? null : expression();
        Expression step = in.takeOperator(":") && !sliceEnds() ? expression() : null;
        return new Expression.Slice(line, from, to, step);
    }

    private boolean sliceEnds() {
        return in.current().isOperator("]") || in.current().isOperator(",");
    }

    Expression.Call call(Expression target) {
        int line = in.current().line();
        return new Expression.Call(line, target, passed());
    }

    private Passed passed() {
        in.expectOperator("(");
        List<Expression> positional = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        List<Expression> named = new ArrayList<>();
        Expression star = null;
        Expression doubleStar = null;
        while (!in.current().isOperator(")")) {
            if (in.current().isOperator("*") && star == null && doubleStar == null) {
                in.take();
                star = expression();
            } else if (in.current().isOperator("**") && doubleStar == null) {
                in.take();
                doubleStar = expression();
            } else if (in.current().is(Token.Kind.NAME) && in.following().isOperator("=") && doubleStar == null) {
                keys.add(in.take().text());
                in.take();
                named.add(expression());
            } else if (keys.isEmpty() && star == null && doubleStar == null) {
                positional.add(expression());
            } else {
                throw in.error("a positional argument stands behind a named one");
            }
            if (!in.takeOperator(",")) {
                break;
            }
        }
        in.expectOperator(")");
        return new Passed(positional, keys, named, star, doubleStar);
    }

    /** A chain of filters; the innermost one gets {@code target}. */
    Expression filterChain(Expression target) {
        Expression value = target;
        while (in.current().isOperator("|")) {
            value = filter(value);
        }
        return value;
    }

    private Expression filter(Expression target) {
        in.expectOperator("|");
        return namedFilter(target);
    }

    Expression namedFilter(Expression target) {
        int line = in.current().line();
        return new Expression.Filter(line, target, dotted(), optionalPassed());
    }

    private Passed optionalPassed() {
        return in.current().isOperator("(") ? passed() : Passed.NOTHING;
    }

    private String dotted() {
        StringBuilder name = new StringBuilder(in.expect(Token.Kind.NAME).text());
        while (in.takeOperator(".")) {
            name.append('.').append(in.expect(Token.Kind.NAME).text());
        }
        return name.toString();
    }

    private Expression test(Expression target) {
        int line = in.take().line();
        boolean negated = in.takeName("not");
        String name = dotted();
        Passed passed = Passed.NOTHING;
        if (in.current().isOperator("(")) {
            passed = passed();
        } else if (startsArgument()) {
            if (in.current().isName("is")) {
                throw in.error("tests can't follow each other; write 'a is x and a is y'");
            }
            passed = new Passed(List.of(postfix(primary())), List.of(), List.of(), null, null);
        }
        Expression test = new Expression.Test(line, target, name, passed);
        return negated ? new Expression.Not(line, test) : test;
    }

    private boolean startsArgument() {
        Token token = in.current();
        return switch (token.kind()) {
            case NAME -> !Set.of("else", "or", "and").contains(token.text());
            case STRING, NUMBER -> true;
            default -> token.isOperator("[") || token.isOperator("{");
        };
    }
}
