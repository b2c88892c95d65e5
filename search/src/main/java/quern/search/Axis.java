package quern.search;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.TechniqueId;

/**
 * Something that varies between the arms of a comparison, and the ways in which it does. Axes cross: two with three arms
 * each make nine.
 *
 * @param key the key that varies; empty where each arm has settings of its own
 * @param arms its values, as arms
 */
public record Axis(Optional<String> key, List<Arm> arms) {
    private static final Pattern VARY = Pattern.compile("([A-Za-z_][A-Za-z0-9_.-]*)=(.*)", Pattern.DOTALL);
    private static final Pattern NAMED = Pattern.compile("\\s*([^{}]+?)\\s*:\\s*(\\{.*})\\s*", Pattern.DOTALL);
    private static final Pattern SEVERAL = Pattern.compile("[{,]\\s*([A-Za-z_][A-Za-z0-9_]*)\\s*:\\s*([^,{}]*)");

    public Axis {
        arms = List.copyOf(arms);
    }

    /**
     * An axis of the form {@code key=v1,v2,…}; {@code a..b:n} is {@code n} values at equal ratios. A value in braces that
     * repeats the key, as in {@code optim=adamw,{optim: shampoo, optim_args: {block_size: 64}}}, is several settings at
     * once; any other value in braces is the key's own block.
     *
     * @param option what messages call it, such as {@code --vary}
     */
    public static Axis vary(String text, String option) {
        Matcher parts = VARY.matcher(text);
        if (!parts.matches()) {
            throw QuernException.badInput("%s takes KEY=VALUE,VALUE…, not '%s'", option, text);
        }
        String key = parts.group(1);
        List<String> values = ValueList.parse(parts.group(2), option + " " + key);
        boolean technique = isTechnique(key);
        Map<String, Integer> shortNames = new HashMap<>();
        values.forEach(v -> shortNames.merge(own(key, v).orElse(v), 1, Integer::sum));
        List<Arm> arms = new ArrayList<>();
        for (String value : values) {
            Optional<String> own = own(key, value);
            String shown = own.filter(v -> shortNames.get(v) == 1).orElse(value);
            arms.add(new Arm(
                    technique || value.startsWith("{") ? shown : key + "=" + shown,
                    List.of(own.isPresent() ? value : key + "=" + value)));
        }
        return new Axis(Optional.of(key), requireDifferent(arms, option));
    }

    /** An axis of arms written {@code name: {key: value, …}}, whose first is the baseline. */
    public static Axis named(List<String> texts) {
        List<Arm> arms = new ArrayList<>();
        for (String text : texts) {
            Matcher parts = NAMED.matcher(text);
            if (!parts.matches()) {
                throw QuernException.badInput(
                        "--arm takes 'NAME: {key: value, …}', as in --arm 'big: {learning_rate: 1e-2}', not '%s'",
                        text);
            }
            boolean empty = parts.group(2).replaceAll("\\s", "").equals("{}");
            arms.add(new Arm(parts.group(1), empty ? List.of() : List.of(parts.group(2))));
        }
        return new Axis(Optional.empty(), requireDifferent(arms, "--arm"));
    }

    /** Every combination of one arm from each axis, the last axis fastest; the first combination is the baseline. */
    public static List<Arm> cross(List<Axis> axes) {
        Set<String> keys = new HashSet<>();
        for (Axis axis : axes) {
            axis.key().filter(key -> !keys.add(key)).ifPresent(key -> {
                throw QuernException.badInput("%s varies twice; write all of its values in one list", key);
            });
        }
        List<Arm> crossed = List.of(new Arm("", List.of()));
        for (Axis axis : axes) {
            List<Arm> next = new ArrayList<>();
            for (Arm before : crossed) {
                for (Arm arm : axis.arms()) {
                    List<String> settings = new ArrayList<>(before.settings());
                    settings.addAll(arm.settings());
                    next.add(new Arm(
                            before.name().isEmpty() ? arm.name() : before.name() + ", " + arm.name(), settings));
                }
            }
            crossed = next;
        }
        return crossed;
    }

    /** The value of the key itself where the text is several settings. */
    private static Optional<String> own(String key, String value) {
        if (!value.startsWith("{")) {
            return Optional.empty();
        }
        Matcher setting = SEVERAL.matcher(value);
        while (setting.find()) {
            if (setting.group(1).equals(key)) {
                return Optional.of(setting.group(2).strip());
            }
        }
        return Optional.empty();
    }

    private static boolean isTechnique(String key) {
        return Arrays.stream(Recipe.class.getRecordComponents())
                .filter(c -> c.isAnnotationPresent(TechniqueId.class))
                .anyMatch(c -> Block.key(c).equals(key));
    }

    private static List<Arm> requireDifferent(List<Arm> arms, String option) {
        Set<String> names = new LinkedHashSet<>();
        Set<List<String>> settings = new HashSet<>();
        for (Arm arm : arms) {
            if (!names.add(arm.name())) {
                throw QuernException.badInput("%s: '%s' is there twice; name each arm once", option, arm.name());
            }
            if (!settings.add(arm.settings())) {
                throw QuernException.badInput(
                        "%s: '%s' has the settings of another arm; leave one of them out", option, arm.name());
            }
        }
        return arms;
    }

    /** Its arms' names, for messages. */
    @Override
    public String toString() {
        return arms.stream().map(Arm::name).collect(Collectors.joining(", "));
    }
}
