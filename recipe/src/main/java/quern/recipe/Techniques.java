package quern.recipe;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;

/** The techniques on the class path. */
public final class Techniques {
    private Techniques() {}

    private static final class Found {
        static final List<Technique> ALL = load(Technique.class.getClassLoader());
    }

    /** Every technique, sorted by kind, then by id. */
    public static List<Technique> all() {
        return Found.ALL;
    }

    /**
     * The technique of a kind that a recipe names, by its id or an alias.
     *
     * @param type what the techniques of this kind are
     * @param where the place of the id, for the message when there is none such
     */
    public static <T> T find(Class<T> type, String kind, String id, Position where) {
        List<String> ids = new ArrayList<>();
        for (Technique technique : all()) {
            if (!technique.kind().equals(kind)) {
                continue;
            }
            if (technique.id().equals(id) || technique.otherIds().contains(id)) {
                if (!type.isInstance(technique)) {
                    throw new IllegalStateException("%s %s is a %s, not a %s"
                            .formatted(kind, id, technique.getClass().getName(), type.getName()));
                }
                return type.cast(technique);
            }
            ids.add(technique.id());
        }
        if (ids.isEmpty()) {
            throw Binder.bad(where, "unknown %s %s; this installation has none".formatted(kind, Quoted.text(id)));
        }
        String hint = Suggestion.nearest(id, ids)
                .map(" (did you mean '%s'?)"::formatted)
                .orElse("");
        throw Binder.bad(
                where, "unknown %s %s%s; known: %s".formatted(kind, Quoted.text(id), hint, String.join(", ", ids)));
    }

    static List<Technique> load(ClassLoader loader) {
        Map<List<String>, Technique> byName =
                new TreeMap<>(Comparator.comparing(List<String>::getFirst).thenComparing(List::getLast));
        for (Technique technique : ServiceLoader.load(Technique.class, loader)) {
            byName.merge(List.of(technique.kind(), technique.id()), technique, (other, one) -> {
                throw twice(one.id(), other, one);
            });
        }
        for (Technique technique : byName.values()) {
            for (String alias : technique.otherIds()) {
                for (Technique other : byName.values()) {
                    boolean same = other.kind().equals(technique.kind()) && other != technique;
                    if (same && (other.id().equals(alias) || other.otherIds().contains(alias))) {
                        throw twice(alias, other, technique);
                    }
                }
            }
        }
        return List.copyOf(byName.values());
    }

    private static QuernException twice(String name, Technique one, Technique other) {
        return QuernException.failed(
                "two providers of %s '%s': %s and %s; remove one from the class path",
                one.kind(), name, one.getClass().getName(), other.getClass().getName());
    }
}
