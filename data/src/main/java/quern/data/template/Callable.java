package quern.data.template;

import java.util.List;
import java.util.Map;

/** Something that a template can call. */
interface Callable {
    Object call(Arguments arguments);

    /**
     * What a call passes.
     *
     * @param function what is called, for errors
     */
    record Arguments(String function, List<Object> positional, Map<String, Object> named) {
        /** What a parameter is that was not passed. */
        static final Object ABSENT = new Object();

        /** The values of parameters in their order; {@link #ABSENT} for those that were left out. */
        Object[] bind(String... parameters) {
            if (positional.size() > parameters.length) {
                throw TemplateException.value(
                        "%s takes at most %d arguments, found %d", function, parameters.length, positional.size());
            }
            Object[] values = new Object[parameters.length];
            int used = 0;
            for (int i = 0; i < parameters.length; i++) {
                boolean given = named.containsKey(parameters[i]);
                if (i < positional.size() && given) {
                    throw TemplateException.value("%s: two values for '%s'", function, parameters[i]);
                }
                values[i] = i < positional.size() ? positional.get(i) : given ? named.get(parameters[i]) : ABSENT;
                used += given ? 1 : 0;
            }
            if (used < named.size()) {
                String unknown = named.keySet().stream()
                        .filter(name -> !List.of(parameters).contains(name))
                        .findFirst()
                        .orElse("");
                throw TemplateException.value("%s has no argument '%s'", function, unknown);
            }
            return values;
        }

        /** As {@link #bind}, with the first {@code required} parameters present. */
        Object[] require(int required, String... parameters) {
            Object[] values = bind(parameters);
            for (int i = 0; i < required; i++) {
                if (values[i] == ABSENT) {
                    throw TemplateException.value("%s needs the argument '%s'", function, parameters[i]);
                }
            }
            return values;
        }

        void none() {
            bind();
        }

        static Object or(Object value, Object otherwise) {
            return value == ABSENT ? otherwise : value;
        }
    }
}
