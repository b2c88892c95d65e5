package quern.recipe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A value in a recipe, with the place where it was written. */
sealed interface Node permits Node.Scalar, Node.Sequence, Block {
    /** Where it was written. */
    Position position();

    /** The plain Java value: null, Boolean, Long, Double, String, List or Map. */
    Object plain();

    /** What it is, for messages: {@code text 'abc'}, {@code the number 1.5}, {@code a list}. */
    String describe();

    /** A scalar: null, Boolean, Long, Double or String. */
    record Scalar(Object value, Position position) implements Node {
        @Override
        public Object plain() {
            return value;
        }

        @Override
        public String describe() {
            return switch (value) {
                case null -> "nothing";
                case String text -> "text " + Quoted.text(text);
                case Boolean flag -> flag.toString();
                default -> "the number " + value;
            };
        }
    }

    /** A list of values. */
    record Sequence(List<Node> items, Position position) implements Node {
        public Sequence {
            items = List.copyOf(items);
        }

        @Override
        public Object plain() {
            List<Object> values = new ArrayList<>(items.size());
            for (Node item : items) {
                values.add(item.plain());
            }
            return Collections.unmodifiableList(values);
        }

        @Override
        public String describe() {
            return "a list";
        }
    }
}
