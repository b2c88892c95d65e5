package quern.data.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.data.template.Statement.Signature;
import quern.data.template.Statement.Target;

/** Runs statements. */
final class Renderer {
    private enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    private final Budget budget = new Budget();
    private final Evaluator evaluator = new Evaluator(budget);
    private final StringBuilder root = new StringBuilder();
    private final List<JinjaTemplate.Span> spans = new ArrayList<>();
    private final Statement.For watched;
    private final List<Integer> starts = new ArrayList<>();

    /** Runs templates. */
    Renderer() {
        this(null);
    }

    /** Notes where the items of a loop begin; it stands outside all blocks. */
    Renderer(Statement.For watched) {
        this.watched = watched;
    }

    /** Where each item of the watched loop begins in the text, and where the last one ends. */
    int[] starts() {
        return starts.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Runs a template to its end; gives the text. */
    String render(List<Statement> statements, Scope scope) {
        try {
            run(statements, scope, root);
            return root.toString();
        } catch (TemplateException e) {
            throw e.at(evaluator.line());
        } catch (StackOverflowError e) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, evaluator.line(), "the template is nested too deeply");
        }
    }

    /** The parts of the text that the model is to write. */
    List<JinjaTemplate.Span> spans() {
        return spans;
    }

    private Flow run(List<Statement> statements, Scope scope, StringBuilder out) {
        for (Statement statement : statements) {
            Flow flow = run(statement, scope, out);
            if (flow != Flow.ON) {
                return flow;
            }
        }
        return Flow.ON;
    }

    private Flow run(Statement statement, Scope scope, StringBuilder out) {
        budget.step();
        evaluator.at(statement.line());
        switch (statement) {
            case Statement.Text text -> write(text.text(), out);
            case Statement.Output output -> write(Values.text(evaluator.value(output.value(), scope)), out);
            case Statement.If choice -> {
                return choose(choice, scope, out);
            }
            case Statement.For loop -> loop(loop, items(evaluator.value(loop.items(), scope)), scope, 0, out);
            case Statement.Set set -> assign(set.target(), evaluator.value(set.value(), scope), scope);
            case Statement.SetBlock set -> {
                String text = text(set.body(), new Scope(scope));
                assign(set.target(), evaluator.filtered(set.filters(), text, scope), scope);
            }
            case Statement.Macro macro ->
                scope.set(macro.name(), macro(macro.name(), macro.signature(), macro.body(), scope));
            case Statement.CallBlock block -> {
                Callable caller = macro("caller", block.signature(), block.body(), scope);
                write(Values.text(evaluator.call(block.call(), scope, Map.of("caller", caller))), out);
            }
            case Statement.FilterBlock block -> {
                String text = text(block.body(), new Scope(scope));
                write(Values.text(evaluator.filtered(block.filters(), text, scope)), out);
            }
            case Statement.With with -> {
                Scope inner = new Scope(scope);
                for (int i = 0; i < with.targets().size(); i++) {
                    assign(with.targets().get(i), evaluator.value(with.values().get(i), scope), inner);
                }
                return run(with.body(), inner, out);
            }
            case Statement.Generation generation -> generate(generation, scope, out);
            case Statement.Break end -> {
                return Flow.BREAK;
            }
            case Statement.Continue next -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.ON;
    }

    private void write(String text, StringBuilder out) {
        budget.characters(text.length());
        out.append(text);
    }

    /** What statements write, by themselves. */
    private String text(List<Statement> body, Scope scope) {
        budget.enter();
        StringBuilder out = new StringBuilder();
        run(body, scope, out);
        budget.leave();
        return out.toString();
    }

    private Flow choose(Statement.If choice, Scope scope, StringBuilder out) {
        for (int i = 0; i < choice.tests().size(); i++) {
            if (evaluator.truth(choice.tests().get(i), scope)) {
                return run(choice.bodies().get(i), scope, out);
            }
        }
        return run(choice.otherwise(), scope, out);
    }

    private void generate(Statement.Generation generation, Scope scope, StringBuilder out) {
        if (out != root) {
            throw TemplateException.value(
                    "generation stands within a macro, a set block or a filter, where the place of its text is not known");
        }
        int from = out.length();
        run(generation.body(), new Scope(scope), out);
        if (out.length() > from) {
            spans.add(new JinjaTemplate.Span(from, out.length()));
        }
    }

    private List<Object> items(Object value) {
        if (value instanceof String s) {
            budget.items(s.length());
        }
        return Values.sequence(value);
    }

    private void loop(Statement.For loop, List<Object> all, Scope scope, int depth, StringBuilder out) {
        budget.enter();
        budget.steps(all.size());
        List<Object> items = loop.filter() == null ? all : chosen(loop, all, scope);
        Callable recursion = loop.recursive()
                ? arguments -> {
                    StringBuilder inner = new StringBuilder();
                    loop(loop, items(arguments.require(1, "items")[0]), scope, depth + 1, inner);
                    return inner.toString();
                }
                : null;
        Loop state = new Loop(items, depth, recursion);
        for (int i = 0; i < items.size(); i++) {
            budget.step();
            state.moveTo(i);
            if (loop == watched) {
                starts.add(out.length());
            }
            Scope inner = new Scope(scope);
            inner.set("loop", state);
            assign(loop.target(), items.get(i), inner);
            if (run(loop.body(), inner, out) == Flow.BREAK) {
                break;
            }
        }
        // Items behind a break write nothing.
        while (loop == watched && starts.size() <= items.size()) {
            starts.add(out.length());
        }
        if (items.isEmpty()) {
            run(loop.otherwise(), new Scope(scope), out);
        }
        budget.leave();
    }

    private List<Object> chosen(Statement.For loop, List<Object> all, Scope scope) {
        List<Object> items = new ArrayList<>();
        for (Object item : all) {
            Scope inner = new Scope(scope);
            assign(loop.target(), item, inner);
            if (evaluator.truth(loop.filter(), inner)) {
                items.add(item);
            }
        }
        return items;
    }

    private static void assign(Target target, Object value, Scope scope) {
        switch (target) {
            case Target.Variable variable -> scope.set(variable.name(), value);
            case Target.Field field -> {
                if (!(scope.get(field.object()) instanceof Values.Namespace namespace)) {
                    throw TemplateException.value(
                            "'%s' is no namespace; only those have fields to set", field.object());
                }
                namespace.set(field.name(), value);
            }
            case Target.Several several -> {
                if (value instanceof Undefined u) {
                    throw u.refusal();
                }
                List<Object> values = new ArrayList<>();
                Iterator<Object> items = Values.iterate(value);
                while (items.hasNext() && values.size() <= several.targets().size()) {
                    values.add(items.next());
                }
                if (values.size() != several.targets().size()) {
                    throw TemplateException.value(
                            "%s values for %d names",
                            values.size() > several.targets().size() ? "too many" : "only " + values.size(),
                            several.targets().size());
                }
                for (int i = 0; i < values.size(); i++) {
                    assign(several.targets().get(i), values.get(i), scope);
                }
            }
        }
    }

    private Callable macro(String name, Signature signature, List<Statement> body, Scope defined) {
        return arguments -> {
            int at = evaluator.line();
            Scope inner = new Scope(defined);
            bind(name, signature, arguments, inner);
            String text = text(body, inner);
            evaluator.at(at);
            return text;
        };
    }

    private void bind(String name, Signature signature, Callable.Arguments arguments, Scope inner) {
        List<String> parameters = signature.parameters();
        List<Object> positional = arguments.positional();
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        int without = parameters.size() - signature.defaults().size();
        for (int i = 0; i < parameters.size(); i++) {
            String parameter = parameters.get(i);
            if (i < positional.size() && named.containsKey(parameter)) {
                throw TemplateException.value("macro %s: two values for '%s'", name, parameter);
            }
            Object value;
            if (i < positional.size()) {
                value = positional.get(i);
            } else if (named.containsKey(parameter)) {
                value = named.remove(parameter);
            } else if (i >= without) {
                value = evaluator.value(signature.defaults().get(i - without), inner);
            } else {
                value = new Undefined("macro %s: the parameter '%s' was not given".formatted(name, parameter));
            }
            inner.set(parameter, value);
        }
        if (signature.caller()) {
            inner.set(
                    "caller",
                    named.containsKey("caller")
                            ? named.remove("caller")
                            : new Undefined("macro %s was not called by a call block".formatted(name)));
        }
        if (signature.kwargs()) {
            inner.set("kwargs", new LinkedHashMap<Object, Object>(named));
        } else if (!named.isEmpty()) {
            throw TemplateException.value(
                    "macro %s has no parameter '%s'",
                    name, named.keySet().iterator().next());
        }
        boolean further = positional.size() > parameters.size();
        if (signature.varargs()) {
            inner.set(
                    "varargs",
                    new Values.Tuple(
                            further
                                    ? List.copyOf(positional.subList(parameters.size(), positional.size()))
                                    : List.of()));
        } else if (further) {
            throw TemplateException.value(
                    "macro %s takes at most %d arguments, found %d", name, parameters.size(), positional.size());
        }
    }
}
