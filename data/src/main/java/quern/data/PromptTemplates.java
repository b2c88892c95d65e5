package quern.data;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Many phrasings of one task (as in T0, Sanh et al. 2021, arXiv:2110.08207, and FLAN, Wei et al. 2021, arXiv:2109.01652): each row
 * of a {@code .jsonl} file becomes a prompt and an answer by one of several templates, drawn by weight from the seed and the row's
 * line. Templates that are held out phrase the rows that validate and none that trains, so an evaluation tells how the model takes
 * phrasings it has not met.
 *
 * @param templates the phrasings; between braces stand the names of a row's fields, and doubled braces are braces
 * @param heldOut names of the templates that only validate
 * @param seed chooses the template of each row
 */
public record PromptTemplates(
        @Doc("The phrasings; {field} stands for a field of the row, and {{ and }} for braces.")
        List<Template> templates,

        @Doc("Names of the templates that phrase the rows held out for validation, and no others.") @Default("[]")
        List<String> heldOut,

        @Doc("Chooses the template of each row.") @Default("0")
        long seed) {

    /**
     * A phrasing.
     *
     * @param name what {@code held_out} calls it
     * @param prompt the context
     * @param answer what is to be learned
     * @param weight how often it is drawn beside the others
     */
    public record Template(
            @Doc("Its name.") String name,
            @Doc("The prompt, which is not learned.") String prompt,
            @Doc("The answer, which is learned.") String answer,

            @Doc("How often it is drawn beside the others.") @Default("1.0") @Range(min = 0, minExclusive = true)
            double weight) {
        /** Refuses templates that are no text or can't be read. */
        public Template {
            check("prompt", name, prompt);
            check("answer", name, answer);
        }

        private static void check(String key, String name, String template) {
            if (template.isBlank()) {
                throw new IllegalArgumentException(key + ": of template '" + name + "' is empty; give it a text");
            }
            try {
                parts(template);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("%s: of template '%s': %s".formatted(key, name, e.getMessage()), e);
            }
        }
    }

    /** Refuses names that are not there, and a table that leaves nothing to train on. */
    public PromptTemplates {
        templates = List.copyOf(templates);
        heldOut = List.copyOf(heldOut);
        Set<String> names = new LinkedHashSet<>();
        for (Template template : templates) {
            if (!names.add(template.name())) {
                throw new IllegalArgumentException(
                        "templates: two are called '" + template.name() + "'; give each a name of its own");
            }
        }
        for (String name : heldOut) {
            if (!names.contains(name)) {
                throw new IllegalArgumentException(
                        "held_out: '%s' is no template; there are %s".formatted(name, names));
            }
        }
        if (names.size() == Set.copyOf(heldOut).size()) {
            throw new IllegalArgumentException("templates: none is left to train on; give one that is not held out");
        }
    }

    /** The same table with what trains and what validates exchanged; there must be a template held out. */
    PromptTemplates exchanged() {
        return new PromptTemplates(
                templates,
                templates.stream()
                        .map(Template::name)
                        .filter(name -> !heldOut.contains(name))
                        .toList(),
                seed);
    }

    /** The fields that some template names, held out or not: a row needs all of them. */
    public Set<String> fields() {
        Set<String> fields = new LinkedHashSet<>();
        for (Template template : templates) {
            for (String text : List.of(template.prompt(), template.answer())) {
                List<String> parts = parts(text);
                for (int i = 1; i < parts.size(); i += 2) {
                    fields.add(parts.get(i));
                }
            }
        }
        return fields;
    }

    /** The template of a row, one of those that are not held out. */
    public Template of(long row) {
        List<Template> open =
                templates.stream().filter(t -> !heldOut.contains(t.name())).toList();
        double all = open.stream().mapToDouble(Template::weight).sum();
        double drawn = (Mix.hash(seed, row) >>> 11) * 0x1p-53 * all;
        int at = 0;
        while (at < open.size() - 1 && drawn >= open.get(at).weight()) {
            drawn -= open.get(at++).weight();
        }
        return open.get(at);
    }

    /** A template with the values of a row's fields. */
    public static String fill(String template, Map<String, String> values) {
        List<String> parts = parts(template);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < parts.size(); i++) {
            text.append(i % 2 == 0 ? parts.get(i) : values.get(parts.get(i)));
        }
        return text.toString();
    }

    /** Texts and, between them, names of fields. */
    private static List<String> parts(String template) {
        List<String> parts = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < template.length(); i++) {
            char c = template.charAt(i);
            boolean doubled = i + 1 < template.length() && template.charAt(i + 1) == c;
            if (c != '{' && c != '}') {
                text.append(c);
            } else if (doubled) {
                text.append(c);
                i++;
            } else {
                int end = c == '{' ? template.indexOf('}', i) : -1;
                String field = end < 0 ? "" : template.substring(i + 1, end);
                if (field.isBlank() || field.contains("{")) {
                    throw new IllegalArgumentException(
                            "a lone '%c' at character %d; write {field}, or double it".formatted(c, i + 1));
                }
                parts.add(text.toString());
                parts.add(field);
                text.setLength(0);
                i = end;
            }
        }
        parts.add(text.toString());
        return parts;
    }
}
