package quern.data.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.data.template.Callable.Arguments;
import quern.data.template.Expression.Passed;

/** Computes expressions. */
final class Evaluator {
    private final Budget budget;
    private final Access access;
    private final Filters filters;
    private int line;

    Evaluator(Budget budget) {
        this.budget = budget;
        this.access = new Access(budget);
        this.filters = new Filters(budget, access);
    }

    /** The line that was last worked on. */
    int line() {
        return line;
    }

    void at(int place) {
        line = place;
    }

    boolean truth(Expression expression, Scope scope) {
        return Values.truth(value(expression, scope));
    }

    Object value(Expression expression, Scope scope) {
        budget.step();
        budget.enter();
        line = expression.line();
        Object value = compute(expression, scope);
        budget.leave();
        return value;
    }

    private Object compute(Expression expression, Scope scope) {
        return switch (expression) {
            case Expression.Literal literal -> literal.value();
            case Expression.Name name -> scope.get(name.name());
            case Expression.ListOf list -> values(list.items(), scope);
            case Expression.TupleOf tuple -> new Values.Tuple(values(tuple.items(), scope));
            case Expression.DictOf dict -> mapping(dict, scope);
            case Expression.Attribute attribute -> {
                Object target = value(attribute.target(), scope);
                line = attribute.line();
                yield access.attribute(target, attribute.name());
            }
            case Expression.Index index -> index(index, scope);
            case Expression.Slice slice -> throw TemplateException.value("a slice stands in brackets only");
            case Expression.Call call -> call(call, scope, Map.of());
            case Expression.Filter filter -> filter(filter, value(filter.target(), scope), scope);
            case Expression.Test test -> {
                Object value = value(test.target(), scope);
                Arguments arguments = arguments("'is " + test.name() + "'", test.passed(), scope, Map.of());
                line = test.line();
                yield Tests.passes(test.name(), value, arguments);
            }
            case Expression.Not not -> !truth(not.operand(), scope);
            case Expression.Sign sign -> {
                Object value = value(sign.operand(), scope);
                line = sign.line();
                yield sign.negative() ? Arithmetic.negate(value) : Arithmetic.apply("+", 0L, value, budget);
            }
            case Expression.Binary binary -> {
                Object left = value(binary.left(), scope);
                Object right = value(binary.right(), scope);
                line = binary.line();
                yield Arithmetic.apply(binary.operator(), left, right, budget);
            }
            case Expression.Logical logical -> {
                Object left = value(logical.left(), scope);
                yield Values.truth(left) == logical.and() ? value(logical.right(), scope) : left;
            }
            case Expression.Compare compare -> compare(compare, scope);
            case Expression.Concat concat -> {
                StringBuilder text = new StringBuilder();
                for (Expression part : concat.parts()) {
                    text.append(Values.text(value(part, scope)));
                }
                budget.characters(text.length());
                yield text.toString();
            }
            case Expression.Conditional choice -> {
                if (truth(choice.test(), scope)) {
                    yield value(choice.then(), scope);
                }
                yield choice.otherwise() == null
                        ? new Undefined("the inline if-expression was false and has no else")
                        : value(choice.otherwise(), scope);
            }
        };
    }

    private List<Object> values(List<Expression> expressions, Scope scope) {
        List<Object> values = new ArrayList<>(expressions.size());
        for (Expression expression : expressions) {
            values.add(value(expression, scope));
        }
        return values;
    }

    private Object mapping(Expression.DictOf dict, Scope scope) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < dict.keys().size(); i++) {
            Object key = value(dict.keys().get(i), scope);
            if (key != null && !(key instanceof String) && !Arithmetic.isNumber(key)) {
                throw TemplateException.value("%s can't be a key", Values.type(key));
            }
            map.put(key, value(dict.values().get(i), scope));
        }
        return map;
    }

    private Object index(Expression.Index index, Scope scope) {
        Object target = value(index.target(), scope);
        if (index.key() instanceof Expression.Slice slice) {
            Object from = optional(slice.from(), scope);
            Object to = optional(slice.to(), scope);
            Object step = optional(slice.step(), scope);
            line = index.line();
            if (target instanceof String s) {
                budget.characters(s.length());
            } else if (Values.iterable(target) && !(target instanceof Values.Lazy)) {
                budget.items(Values.length(target));
            }
            return Access.slice(target, from, to, step);
        }
        Object key = value(index.key(), scope);
        line = index.line();
        budget.read(target instanceof String s ? s.length() : 1);
        return access.item(target, key);
    }

    private Object optional(Expression expression, Scope scope) {
        return expression == null ? null : value(expression, scope);
    }

    private Object compare(Expression.Compare compare, Scope scope) {
        Object left = value(compare.first(), scope);
        for (int i = 0; i < compare.operators().size(); i++) {
            Object right = value(compare.others().get(i), scope);
            line = compare.line();
            budget.read(right instanceof String s ? s.length() : right instanceof List<?> l ? l.size() : 1);
            if (!holds(compare.operators().get(i), left, right)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private static boolean holds(String operator, Object left, Object right) {
        return switch (operator) {
            case "==" -> Values.equal(left, right);
            case "!=" -> !Values.equal(left, right);
            case "in" -> Values.contains(right, left);
            case "not in" -> !Values.contains(right, left);
            case "<" -> Values.compare(left, right, operator) < 0;
            case "<=" -> Values.compare(left, right, operator) <= 0;
            case ">" -> Values.compare(left, right, operator) > 0;
            default -> Values.compare(left, right, operator) >= 0;
        };
    }

    /**
     * Calls what the expression names.
     *
     * @param further named arguments beside those of the expression
     */
    Object call(Expression.Call call, Scope scope, Map<String, Object> further) {
        Object target = value(call.target(), scope);
        Arguments arguments = arguments("the function", call.passed(), scope, further);
        line = call.line();
        if (target instanceof Undefined u) {
            throw u.refusal();
        }
        if (!(target instanceof Callable callable)) {
            throw TemplateException.value("%s can't be called", Values.type(target));
        }
        return callable.call(arguments);
    }

    /** Applies a chain of filters to a text. */
    Object filtered(Expression chain, Object text, Scope scope) {
        if (!(chain instanceof Expression.Filter filter)) {
            return text;
        }
        Object inner = filter.target() == null ? text : filtered(filter.target(), text, scope);
        return filter(filter, inner, scope);
    }

    private Object filter(Expression.Filter filter, Object value, Scope scope) {
        Arguments arguments = arguments("|" + filter.name(), filter.passed(), scope, Map.of());
        line = filter.line();
        return filters.apply(filter.name(), value, arguments);
    }

    private Arguments arguments(String function, Passed passed, Scope scope, Map<String, Object> further) {
        if (passed == Passed.NOTHING && further.isEmpty()) {
            return new Arguments(function, List.of(), Map.of());
        }
        List<Object> positional = values(passed.positional(), scope);
        Map<String, Object> named = new LinkedHashMap<>(further);
        for (int i = 0; i < passed.names().size(); i++) {
            named.put(passed.names().get(i), value(passed.named().get(i), scope));
        }
        if (passed.star() != null) {
            positional.addAll(Values.list(value(passed.star(), scope)));
        }
        if (passed.doubleStar() != null) {
            Object more = value(passed.doubleStar(), scope);
            if (!(more instanceof Map<?, ?> map)) {
                throw TemplateException.value("'**' needs a mapping, found %s", Values.type(more));
            }
            map.forEach((key, value) -> named.put(Values.text(key), value));
        }
        return new Arguments(function, positional, named);
    }
}
