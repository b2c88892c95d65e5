package quern.data.template;

import java.util.HashMap;
import java.util.Map;

/** Names and their values, as seen from one place. */
final class Scope {
    private final Scope around;
    private final Map<String, Object> values = new HashMap<>();

    Scope(Scope around) {
        this.around = around;
    }

    void set(String name, Object value) {
        values.put(name, value);
    }

    /** The value of a name; {@link Undefined} where there is none. */
    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.around) {
            Object value = scope.values.get(name);
            if (value != null || scope.values.containsKey(name)) {
                return value;
            }
        }
        return Undefined.name(name);
    }
}
