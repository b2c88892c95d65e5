package quern.data.template;

import static quern.data.template.Callable.Arguments.ABSENT;
import static quern.data.template.Callable.Arguments.or;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Function;
import java.util.function.Predicate;

/** The filters of lists and mappings. Those that Jinja computes as they are read do so here. */
final class ItemFilters {
    private static final String GENERATOR = "generator";

    private final Budget budget;
    private final Access access;
    private final Filters filters;

    ItemFilters(Budget budget, Access access, Filters filters) {
        this.budget = budget;
        this.access = access;
        this.filters = filters;
    }

    Object apply(String name, Object value, Callable.Arguments a) {
        return switch (name) {
            case "list" -> {
                a.none();
                yield counted(Values.list(value));
            }
            case "first" -> {
                a.none();
                Iterator<Object> all = Values.iterate(value);
                yield all.hasNext() ? all.next() : new Undefined("there is no first item, the sequence is empty");
            }
            case "last" -> {
                a.none();
                List<Object> all = reversible(value);
                yield all.isEmpty() ? new Undefined("there is no last item, the sequence is empty") : all.getLast();
            }
            case "join" -> join(value, a);
            case "reverse" -> reversed(value, a);
            case "items" -> items(value, a);
            case "dictsort" -> sortedPairs(value, a);
            case "sort" -> sorted(value, a);
            case "unique" -> unique(value, a);
            case "min", "max" -> extreme(value, a, name.equals("max"));
            case "sum" -> sum(value, a);
            case "map" -> new Values.Lazy(GENERATOR, mapped(Values.iterate(value), mapping(a)));
            case "select" -> chosen(value, a, false, true);
            case "reject" -> chosen(value, a, false, false);
            case "selectattr" -> chosen(value, a, true, true);
            case "rejectattr" -> chosen(value, a, true, false);
            case "groupby" -> grouped(value, a);
            case "batch" -> batches(value, a);
            case "slice" -> slices(value, a);
            default ->
                throw TemplateException.value(
                        "unknown filter '%s'; there are %s", name, String.join(", ", Filters.NAMES));
        };
    }

    private List<Object> counted(List<Object> items) {
        budget.items(items.size());
        return items;
    }

    private static List<Object> reversible(Object value) {
        if (value instanceof Values.Lazy l) {
            throw TemplateException.value("a %s can't be read from its end; add |list", l.kind());
        }
        return Values.list(value);
    }

    static List<Object> pairs(Map<?, ?> map) {
        List<Object> pairs = new ArrayList<>(map.size());
        map.forEach((key, value) -> pairs.add(Methods.pair(key, value)));
        return pairs;
    }

    /** What gets an attribute, by a path such as {@code a.0.b}; the item itself where there is no path. */
    private Function<Object, Object> attribute(Object path, Object otherwise) {
        if (path == null || path == ABSENT) {
            return item -> item;
        }
        List<Object> keys = new ArrayList<>();
        if (path instanceof String s) {
            for (Object key : PythonText.split(s, ".", -1)) {
                String part = (String) key;
                boolean number =
                        !part.isEmpty() && part.length() < 10 && part.chars().allMatch(c -> c >= '0' && c <= '9');
                keys.add(number ? (Object) Long.valueOf(part) : part);
            }
        } else {
            keys.add(path);
        }
        return item -> {
            Object found = item;
            for (Object key : keys) {
                found = access.item(found, key);
                if (found instanceof Undefined && otherwise != ABSENT && otherwise != null) {
                    found = otherwise;
                }
            }
            return found;
        };
    }

    private static Object folded(Object value, boolean caseSensitive) {
        return !caseSensitive && value instanceof String s ? PythonText.lower(s) : value;
    }

    private Object join(Object value, Callable.Arguments a) {
        Object[] v = a.bind("d", "attribute");
        String separator = Values.text(or(v[0], ""));
        Function<Object, Object> get = attribute(v[1], ABSENT);
        StringBuilder out = new StringBuilder();
        Iterator<Object> all = Values.iterate(value);
        boolean first = true;
        while (all.hasNext()) {
            String item = Values.text(get.apply(all.next()));
            budget.characters(item.length() + (long) separator.length());
            out.append(first ? "" : separator).append(item);
            first = false;
        }
        return out.toString();
    }

    private Object reversed(Object value, Callable.Arguments a) {
        a.none();
        if (value instanceof String s) {
            return Access.slice(s, null, null, -1L);
        }
        List<Object> all = Values.list(value);
        Collections.reverse(all);
        return new Values.Lazy(value instanceof List ? "list_reverseiterator" : "reversed iterator", all.iterator());
    }

    private static Object items(Object value, Callable.Arguments a) {
        a.none();
        if (value instanceof Undefined) {
            return new Values.Lazy(GENERATOR, Collections.emptyIterator());
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw TemplateException.value("|items needs a mapping, found %s", Values.type(value));
        }
        return new Values.Lazy(GENERATOR, pairs(map).iterator());
    }

    private List<Object> inOrder(List<Object> all, Function<Object, Object> key, boolean reverse) {
        counted(all);
        List<Map.Entry<Object, Object>> keyed = new ArrayList<>(all.size());
        for (Object item : all) {
            keyed.add(new java.util.AbstractMap.SimpleEntry<>(key.apply(item), item));
        }
        Comparator<Map.Entry<Object, Object>> order = (x, y) -> {
            budget.step();
            return Values.compare(x.getKey(), y.getKey(), "<");
        };
        keyed.sort(reverse ? order.reversed() : order);
        List<Object> sorted = new ArrayList<>(all.size());
        keyed.forEach(entry -> sorted.add(entry.getValue()));
        return sorted;
    }

    private Object sortedPairs(Object value, Callable.Arguments a) {
        Object[] v = a.bind("case_sensitive", "by", "reverse");
        if (!(value instanceof Map<?, ?> map)) {
            throw TemplateException.value("|dictsort needs a mapping, found %s", Values.type(value));
        }
        boolean caseSensitive = Values.truth(or(v[0], false));
        String by = Values.text(or(v[1], "key"));
        if (!by.equals("key") && !by.equals("value")) {
            throw TemplateException.value("|dictsort: by is key or value, found '%s'", by);
        }
        int place = by.equals("key") ? 0 : 1;
        return inOrder(
                pairs(map),
                pair -> folded(((Values.Tuple) pair).items().get(place), caseSensitive),
                Values.truth(or(v[2], false)));
    }

    private Object sorted(Object value, Callable.Arguments a) {
        Object[] v = a.bind("reverse", "case_sensitive", "attribute");
        boolean caseSensitive = Values.truth(or(v[1], false));
        List<Function<Object, Object>> keys = new ArrayList<>();
        if (v[2] instanceof String several) {
            PythonText.split(several, ",", -1).forEach(path -> keys.add(attribute(path, ABSENT)));
        } else {
            keys.add(attribute(v[2], ABSENT));
        }
        return inOrder(
                Values.list(value),
                item -> {
                    List<Object> key = new ArrayList<>();
                    keys.forEach(get -> key.add(folded(get.apply(item), caseSensitive)));
                    return key;
                },
                Values.truth(or(v[0], false)));
    }

    private Object unique(Object value, Callable.Arguments a) {
        Object[] v = a.bind("case_sensitive", "attribute");
        boolean caseSensitive = Values.truth(or(v[0], false));
        Function<Object, Object> get = attribute(v[1], ABSENT);
        List<Object> seen = new ArrayList<>();
        return new Values.Lazy(GENERATOR, filtered(Values.iterate(value), item -> {
            Object key = folded(get.apply(item), caseSensitive);
            budget.steps(seen.size());
            boolean fresh = seen.stream().noneMatch(other -> Values.equal(other, key));
            if (fresh) {
                seen.add(key);
            }
            return fresh;
        }));
    }

    private Object extreme(Object value, Callable.Arguments a, boolean largest) {
        Object[] v = a.bind("case_sensitive", "attribute");
        boolean caseSensitive = Values.truth(or(v[0], false));
        Function<Object, Object> get = attribute(v[1], ABSENT);
        Iterator<Object> all = Values.iterate(value);
        if (!all.hasNext()) {
            return new Undefined("there is nothing to compare, the sequence is empty");
        }
        Object best = all.next();
        Object bestKey = folded(get.apply(best), caseSensitive);
        while (all.hasNext()) {
            Object item = all.next();
            Object key = folded(get.apply(item), caseSensitive);
            int order = Values.compare(key, bestKey, largest ? ">" : "<");
            if (largest ? order > 0 : order < 0) {
                best = item;
                bestKey = key;
            }
        }
        return best;
    }

    private Object sum(Object value, Callable.Arguments a) {
        Object[] v = a.bind("attribute", "start");
        Function<Object, Object> get = attribute(v[0], ABSENT);
        Object sum = or(v[1], 0L);
        Iterator<Object> all = Values.iterate(value);
        while (all.hasNext()) {
            sum = Arithmetic.apply("+", sum, get.apply(all.next()), budget);
        }
        return sum;
    }

    private Function<Object, Object> mapping(Callable.Arguments a) {
        if (a.positional().isEmpty()) {
            Object[] v = a.bind("attribute", "default");
            if (v[0] == ABSENT) {
                throw TemplateException.value("|map needs the name of a filter, or attribute=…");
            }
            return attribute(v[0], v[1]);
        }
        String filter = Values.text(a.positional().getFirst());
        Callable.Arguments rest = rest(filter, a, 1);
        return item -> filters.apply(filter, item, rest);
    }

    private static Callable.Arguments rest(String name, Callable.Arguments a, int used) {
        return new Callable.Arguments(
                name, a.positional().subList(used, a.positional().size()), a.named());
    }

    private Object chosen(Object value, Callable.Arguments a, boolean byAttribute, boolean keep) {
        Function<Object, Object> get = item -> item;
        int used = 0;
        if (byAttribute) {
            if (a.positional().isEmpty()) {
                throw TemplateException.value("%s needs the name of an attribute", a.function());
            }
            get = attribute(a.positional().getFirst(), ABSENT);
            used = 1;
        }
        Predicate<Object> test;
        if (a.positional().size() > used) {
            String name = Values.text(a.positional().get(used));
            Callable.Arguments rest = rest(name, a, used + 1);
            test = item -> Tests.passes(name, item, rest);
        } else {
            test = Values::truth;
        }
        Function<Object, Object> key = get;
        return new Values.Lazy(GENERATOR, filtered(Values.iterate(value), item -> test.test(key.apply(item)) == keep));
    }

    private Object grouped(Object value, Callable.Arguments a) {
        Object[] v = a.require(1, "attribute", "default", "case_sensitive");
        boolean caseSensitive = Values.truth(or(v[2], false));
        Function<Object, Object> get = attribute(v[0], v[1]);
        Function<Object, Object> key = item -> folded(get.apply(item), caseSensitive);
        List<Object> groups = new ArrayList<>();
        List<Object> members = List.of();
        Object last = null;
        for (Object item : inOrder(Values.list(value), key, false)) {
            if (groups.isEmpty() || !Values.equal(last, key.apply(item))) {
                last = key.apply(item);
                members = new ArrayList<>();
                groups.add(Methods.pair(get.apply(item), members));
            }
            members.add(item);
        }
        return groups;
    }

    private Object batches(Object value, Callable.Arguments a) {
        Object[] v = a.require(1, "linecount", "fill_with");
        int size = Arithmetic.index(v[0]);
        Object fill = or(v[1], null);
        List<Object> all = counted(Values.list(value));
        List<Object> batches = new ArrayList<>();
        for (int from = 0; from < all.size(); from += Math.max(1, size)) {
            List<Object> batch = new ArrayList<>(all.subList(from, Math.min(all.size(), from + Math.max(1, size))));
            filled(batch, size, fill);
            batches.add(batch);
        }
        return new Values.Lazy(GENERATOR, batches.iterator());
    }

    private void filled(List<Object> items, int size, Object fill) {
        if (fill != null) {
            budget.items(Math.max(0, size - items.size()));
            while (items.size() < size) {
                items.add(fill);
            }
        }
    }

    private Object slices(Object value, Callable.Arguments a) {
        Object[] v = a.require(1, "slices", "fill_with");
        int count = Arithmetic.index(v[0]);
        Object fill = or(v[1], null);
        List<Object> all = counted(Values.list(value));
        if (count < 1) {
            throw TemplateException.value("|slice needs at least 1 slice, found %d", count);
        }
        budget.items(count);
        int each = all.size() / count;
        int longer = all.size() % count;
        List<Object> slices = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < count; i++) {
            int to = from + each + (i < longer ? 1 : 0);
            List<Object> slice = new ArrayList<>(all.subList(from, to));
            if (fill != null && i >= longer) {
                slice.add(fill);
            }
            slices.add(slice);
            from = to;
        }
        return new Values.Lazy(GENERATOR, slices.iterator());
    }

    private Iterator<Object> mapped(Iterator<Object> all, Function<Object, Object> function) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return all.hasNext();
            }

            @Override
            public Object next() {
                budget.step();
                return function.apply(all.next());
            }
        };
    }

    private Iterator<Object> filtered(Iterator<Object> all, Predicate<Object> test) {
        return new Iterator<>() {
            private Object next;
            private boolean ready;

            @Override
            public boolean hasNext() {
                while (!ready && all.hasNext()) {
                    budget.step();
                    next = all.next();
                    ready = test.test(next);
                }
                return ready;
            }

            @Override
            public Object next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                ready = false;
                return next;
            }
        };
    }
}
