package quern.data.template;

import java.util.ArrayList;
import java.util.List;

/** The variable {@code loop} of a loop. */
final class Loop implements Callable {
    private final List<Object> items;
    private final int depth;
    private final Callable recursion;
    private int index;
    private List<Object> last;

    /**
     * A loop before its first item.
     *
     * @param depth loops of the same recursion around this one
     * @param recursion runs the loop again on other items; null where it is not recursive
     */
    Loop(List<Object> items, int depth, Callable recursion) {
        this.items = items;
        this.depth = depth;
        this.recursion = recursion;
    }

    void moveTo(int place) {
        index = place;
    }

    @Override
    public Object call(Arguments arguments) {
        if (recursion == null) {
            throw TemplateException.value("this loop is not recursive; write {%% for … recursive %%}");
        }
        return recursion.call(arguments);
    }

    /** A field or method; null where there is none. */
    Object field(String name) {
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "revindex" -> (long) (items.size() - index);
            case "revindex0" -> items.size() - index - 1L;
            case "first" -> index == 0;
            case "last" -> index == items.size() - 1;
            case "length" -> (long) items.size();
            case "depth" -> depth + 1L;
            case "depth0" -> (long) depth;
            case "previtem" -> index == 0 ? new Undefined("there is no previous item") : held(items.get(index - 1));
            case "nextitem" ->
                index == items.size() - 1 ? new Undefined("there is no next item") : held(items.get(index + 1));
            case "cycle" ->
                (Callable) arguments -> {
                    if (arguments.positional().isEmpty()) {
                        throw TemplateException.value("cycle needs something to go through");
                    }
                    return arguments
                            .positional()
                            .get(index % arguments.positional().size());
                };
            case "changed" -> (Callable) this::changed;
            default -> null;
        };
    }

    private static Object held(Object item) {
        return new Access.Present(item);
    }

    private Object changed(Arguments arguments) {
        List<Object> now = new ArrayList<>(arguments.positional());
        boolean same = last != null && Values.equal(last, now);
        last = now;
        return !same;
    }
}
