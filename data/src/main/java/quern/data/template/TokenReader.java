package quern.data.template;

import java.util.List;

/** Reads tokens one after the other. */
final class TokenReader {
    private final List<Token> tokens;
    private int at;

    TokenReader(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(at);
    }

    Token following() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    Token take() {
        Token token = tokens.get(at);
        at = Math.min(at + 1, tokens.size() - 1);
        return token;
    }

    boolean takeName(String name) {
        boolean found = current().isName(name);
        if (found) {
            take();
        }
        return found;
    }

    boolean takeOperator(String operator) {
        boolean found = current().isOperator(operator);
        if (found) {
            take();
        }
        return found;
    }

    Token expect(Token.Kind kind) {
        if (!current().is(kind)) {
            throw unexpected(kind.words());
        }
        return take();
    }

    void expectOperator(String operator) {
        if (!takeOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    void expectName(String name) {
        if (!takeName(name)) {
            throw unexpected("'" + name + "'");
        }
    }

    TemplateException unexpected(String expected) {
        return error("expected %s, found %s".formatted(expected, current().describe()));
    }

    TemplateException error(String message) {
        return new TemplateException(TemplateException.Kind.SYNTAX, current().line(), message);
    }
}
