package quern.data.template;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import quern.data.template.Expression.Attribute;
import quern.data.template.Expression.Index;
import quern.data.template.Expression.Literal;
import quern.data.template.Expression.Name;
import quern.data.template.Statement.Target.Variable;

/**
 * A template of which one loop over a list stands outside all blocks and nothing else reads the list but its first item: then the
 * text of the first k items is that of all, up to where the loop came to item k, and what follows the loop. What decides is
 * the template's tree, and in doubt the answer is no.
 *
 * @param loop over the list
 * @param tail the statements behind it, which read nothing that those before it or in it set
 */
record GrowingText(Statement.For loop, List<Statement> tail) {
    /** What of a loop's state the items to come have no part in. */
    private static final Set<String> OF_THE_PAST = Set.of("first", "index", "index0", "previtem");

    /**
     * The loop, if the template is of this kind.
     *
     * @param list the name of the list
     * @param flag the name of what only the tail may read
     */
    static Optional<GrowingText> of(List<Statement> statements, String list, String flag) {
        for (int i = 0; i < statements.size(); i++) {
            if (statements.get(i) instanceof Statement.For loop && loop.items() instanceof Name name) {
                List<Statement> before = statements.subList(0, i);
                List<Statement> tail = statements.subList(i + 1, statements.size());
                boolean grows = readsOnce(statements, before, list, name.name())
                        && loop.filter() == null
                        && !loop.recursive()
                        && loop.otherwise().isEmpty()
                        && count(before, flag) + count(List.of(loop), flag) == 0
                        && count(statements, "loop") == pastReads(loop)
                        && independent(tail, before, loop);
                return grows ? Optional.of(new GrowingText(loop, tail)) : Optional.empty();
            }
        }
        return Optional.empty();
    }

    /** Whether the list is read by the loop, perhaps under another name, and otherwise for its first item only. */
    private static boolean readsOnce(List<Statement> all, List<Statement> before, String list, String looped) {
        int firsts = firstReads(all, list);
        if (looped.equals(list)) {
            return count(all, list) == 1 + firsts;
        }
        long named = before.stream()
                .filter(s -> s instanceof Statement.Set set
                        && set.target().equals(new Variable(looped))
                        && set.value() instanceof Name value
                        && value.name().equals(list))
                .count();
        return named == 1 && count(all, list) == 1 + firsts && count(all, looped) == 2;
    }

    private static int firstReads(Object tree, String list) {
        int[] found = {0};
        walk(tree, part -> {
            if (part instanceof Index index
                    && index.target() instanceof Name name
                    && name.name().equals(list)
                    && index.key() instanceof Literal literal
                    && Long.valueOf(0).equals(literal.value())) {
                found[0]++;
            }
        });
        return found[0];
    }

    private static int pastReads(Statement.For loop) {
        int[] found = {0};
        walk(loop, part -> {
            if (part instanceof Attribute attribute
                    && attribute.target() instanceof Name name
                    && name.name().equals("loop")
                    && OF_THE_PAST.contains(attribute.name())) {
                found[0]++;
            }
        });
        return found[0];
    }

    private static boolean independent(List<Statement> tail, List<Statement> before, Statement.For loop) {
        Set<String> set = new HashSet<>();
        walk(List.of(before, loop), part -> {
            switch (part) {
                case Variable variable -> set.add(variable.name());
                case Statement.Target.Field field -> set.add(field.object());
                case Statement.Macro macro -> set.add(macro.name());
                default -> {}
            }
        });
        return set.stream().allMatch(name -> count(tail, name) == 0);
    }

    /** How often a text is a name in the tree, or anything else. */
    private static int count(Object tree, String text) {
        int[] found = {0};
        walk(tree, part -> found[0] += part.equals(text) ? 1 : 0);
        return found[0];
    }

    /** Every part of a tree: nodes are records, whose components are nodes, lists and texts. */
    private static void walk(Object part, Consumer<Object> visitor) {
        List<Object> open = new ArrayList<>(List.of(part));
        while (!open.isEmpty()) {
            Object next = open.removeLast();
            visitor.accept(next);
            if (next instanceof Collection<?> several) {
                several.stream().filter(each -> each != null).forEach(open::add);
            } else if (next instanceof Record node) {
                for (RecordComponent component : node.getClass().getRecordComponents()) {
                    Object value = value(node, component);
                    if (value != null) {
                        open.add(value);
                    }
                }
            }
        }
    }

    private static Object value(Record node, RecordComponent component) {
        try {
            return component.getAccessor().invoke(node);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(node.getClass() + " keeps its components to itself", e);
        }
    }
}
