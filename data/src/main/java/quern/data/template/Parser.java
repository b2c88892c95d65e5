package quern.data.template;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import quern.data.template.Statement.Signature;
import quern.data.template.Statement.Target;

/** Makes a tree of a template's tokens. */
final class Parser {
    private static final Set<String> FOREIGN = Set.of("extends", "include", "import", "from", "block", "autoescape");
    private static final int DEEPEST = 100;

    private final TokenReader in;
    private final ExpressionParser expressions;
    private int depth;
    private int loops;

    private Parser(TokenReader in) {
        this.in = in;
        this.expressions = new ExpressionParser(in);
    }

    /** The statements of a template. */
    static List<Statement> parse(String source) {
        Parser parser = new Parser(new TokenReader(Lexer.tokens(source)));
        List<Statement> statements = new ArrayList<>();
        parser.collect(statements, Set.of());
        return statements;
    }

    /** Statements up to a tag with one of the names, which is the current token afterwards. */
    private List<Statement> until(String... ends) {
        if (++depth > DEEPEST) {
            throw in.error("statements are nested more than %d deep".formatted(DEEPEST));
        }
        in.expect(Token.Kind.CLOSE_BLOCK);
        List<Statement> statements = new ArrayList<>();
        collect(statements, Set.of(ends));
        if (in.current().is(Token.Kind.END)) {
            throw in.error(
                    "the template ends within a statement; expected '%s'".formatted(String.join("' or '", ends)));
        }
        depth--;
        return statements;
    }

    private void collect(List<Statement> statements, Set<String> ends) {
        while (!in.current().is(Token.Kind.END)) {
            Token token = in.take();
            switch (token.kind()) {
                case DATA -> statements.add(new Statement.Text(token.line(), token.text()));
                case OPEN_VARIABLE -> {
                    statements.add(new Statement.Output(token.line(), expressions.tuple(true, false)));
                    in.expect(Token.Kind.CLOSE_VARIABLE);
                }
                default -> {
                    if (in.current().is(Token.Kind.NAME)
                            && ends.contains(in.current().text())) {
                        return;
                    }
                    statement(statements);
                    in.expect(Token.Kind.CLOSE_BLOCK);
                }
            }
        }
    }

    private void statement(List<Statement> statements) {
        Token tag = in.expect(Token.Kind.NAME);
        int line = tag.line();
        switch (tag.text()) {
            case "for" -> statements.add(loop(line));
            case "if" -> statements.add(condition(line));
            case "set" -> statements.add(assignment(line));
            case "macro" -> statements.add(macro(line));
            case "call" -> statements.add(callBlock(line));
            case "filter" -> {
                Expression chain = expressions.filterChain(expressions.namedFilter(null));
                statements.add(new Statement.FilterBlock(line, chain, closed("endfilter")));
            }
            case "with" -> statements.add(with(line));
            case "generation" -> statements.add(new Statement.Generation(line, isolated("endgeneration")));
            case "print" -> {
                do {
                    statements.add(new Statement.Output(line, expressions.expression()));
                } while (in.takeOperator(","));
            }
            case "break", "continue" -> {
                if (loops == 0) {
                    throw in.error("'%s' stands outside of a loop".formatted(tag.text()));
                }
                statements.add(tag.text().equals("break") ? new Statement.Break(line) : new Statement.Continue(line));
            }
            default ->
                throw new TemplateException(
                        TemplateException.Kind.SYNTAX,
                        line,
                        FOREIGN.contains(tag.text())
                                ? "'%s' has no place in a chat template, which is one text".formatted(tag.text())
                                : "unknown tag '%s'".formatted(tag.text()));
        }
    }

    /** The statements up to a tag of this name. */
    private List<Statement> closed(String end) {
        List<Statement> body = until(end);
        in.expectName(end);
        return body;
    }

    /** As above, out of reach of the loops around. */
    private List<Statement> isolated(String end) {
        int outer = loops;
        loops = 0;
        List<Statement> body = closed(end);
        loops = outer;
        return body;
    }

    private Statement loop(int line) {
        Target target = target(false, true);
        in.expectName("in");
        Expression items = expressions.tuple(false, false);
        Expression filter = in.takeName("if") ? expressions.expression() : null;
        boolean recursive = in.takeName("recursive");
        loops++;
        List<Statement> body = until("endfor", "else");
        loops--;
        List<Statement> otherwise = List.of();
        if (in.takeName("else")) {
            otherwise = closed("endfor");
        } else {
            in.expectName("endfor");
        }
        return new Statement.For(line, target, items, filter, recursive, body, otherwise);
    }

    private Statement condition(int line) {
        List<Expression> tests = new ArrayList<>();
        List<List<Statement>> bodies = new ArrayList<>();
        List<Statement> otherwise = List.of();
        do {
            tests.add(expressions.tuple(false, false));
            bodies.add(until("elif", "else", "endif"));
        } while (in.takeName("elif"));
        if (in.takeName("else")) {
            otherwise = closed("endif");
        } else {
            in.expectName("endif");
        }
        return new Statement.If(line, tests, bodies, otherwise);
    }

    private Statement assignment(int line) {
        Target target = target(true, true);
        if (in.takeOperator("=")) {
            return new Statement.Set(line, target, expressions.tuple(true, false));
        }
        Expression filters = expressions.filterChain(null);
        return new Statement.SetBlock(line, target, filters, closed("endset"));
    }

    /** A name, an attribute of a namespace, or several of them. */
    private Target target(boolean fields, boolean several) {
        List<Target> targets = new ArrayList<>();
        boolean tuple = false;
        while (!in.current().isName("in")
                && !in.current().isOperator("=")
                && !in.current().isOperator(")")) {
            targets.add(singleTarget(fields));
            if (!several || !in.takeOperator(",")) {
                break;
            }
            tuple = true;
        }
        if (targets.isEmpty()) {
            throw in.unexpected("a name");
        }
        return tuple ? new Target.Several(targets) : targets.getFirst();
    }

    private Target singleTarget(boolean fields) {
        if (in.takeOperator("(")) {
            Target inner = target(fields, true);
            in.expectOperator(")");
            return inner;
        }
        Token name = in.expect(Token.Kind.NAME);
        if (Set.of("true", "false", "none", "True", "False", "None").contains(name.text())) {
            throw in.error("can't assign to '%s'".formatted(name.text()));
        }
        if (fields && in.takeOperator(".")) {
            return new Target.Field(name.text(), in.expect(Token.Kind.NAME).text());
        }
        return new Target.Variable(name.text());
    }

    private Statement macro(int line) {
        String name = in.expect(Token.Kind.NAME).text();
        return withSignature("endmacro", (signature, body) -> new Statement.Macro(line, name, signature, body));
    }

    private Statement callBlock(int line) {
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        if (in.current().isOperator("(")) {
            parameters(parameters, defaults);
        }
        Token start = in.current();
        if (!(expressions.expression() instanceof Expression.Call call)) {
            throw new TemplateException(TemplateException.Kind.SYNTAX, start.line(), "expected a call of a macro");
        }
        return withBody(
                parameters,
                defaults,
                "endcall",
                (signature, body) -> new Statement.CallBlock(line, call, signature, body));
    }

    private interface Making {
        Statement of(Signature signature, List<Statement> body);
    }

    private Statement withSignature(String end, Making making) {
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        parameters(parameters, defaults);
        return withBody(parameters, defaults, end, making);
    }

    private Statement withBody(List<String> parameters, List<Expression> defaults, String end, Making making) {
        Set<String> outer = expressions.swapNames(new HashSet<>());
        List<Statement> body = isolated(end);
        Set<String> read = expressions.swapNames(outer);
        Signature signature = new Signature(
                parameters,
                defaults,
                read.contains("varargs") && !parameters.contains("varargs"),
                read.contains("kwargs") && !parameters.contains("kwargs"),
                read.contains("caller") && !parameters.contains("caller"));
        outer.addAll(read);
        return making.of(signature, body);
    }

    private void parameters(List<String> parameters, List<Expression> defaults) {
        in.expectOperator("(");
        while (!in.current().isOperator(")")) {
            parameters.add(in.expect(Token.Kind.NAME).text());
            if (in.takeOperator("=")) {
                defaults.add(expressions.expression());
            } else if (!defaults.isEmpty()) {
                throw in.error("a parameter without default stands behind one with a default");
            }
            if (!in.takeOperator(",")) {
                break;
            }
        }
        in.expectOperator(")");
    }

    private Statement with(int line) {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!in.current().is(Token.Kind.CLOSE_BLOCK)) {
            targets.add(target(false, false));
            in.expectOperator("=");
            values.add(expressions.expression());
            if (!in.takeOperator(",")) {
                break;
            }
        }
        return new Statement.With(line, targets, values, closed("endwith"));
    }
}
