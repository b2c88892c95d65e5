package quern.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import quern.recipe.QuernException;

/**
 * The arguments of a verb that reads a recipe, as a picocli mixin: at most one recipe file, and any number of overrides
 * {@code a.b=c}, plain or after {@code --set}.
 */
public final class RecipeArguments {
    // A key cannot hold a slash, so a path with '=' in it can be written as ./a=b.yaml.
    private static final Pattern OVERRIDE = Pattern.compile("[A-Za-z_][A-Za-z0-9_.-]*=.*", Pattern.DOTALL);

    @Parameters(
            arity = "0..*",
            paramLabel = "RECIPE|KEY=VALUE",
            description = "A recipe file, and values that override its keys, such as learning_rate=3e-4.")
    private List<String> arguments = new ArrayList<>();

    @Option(names = "--set", paramLabel = "KEY=VALUE", description = "Override a key; the same as a plain KEY=VALUE.")
    private List<String> set = new ArrayList<>();

    /** The recipe file, if one was named. */
    public Optional<Path> recipe() {
        List<Path> files = paths();
        if (files.size() > 1) {
            throw QuernException.badInput(
                    "one recipe at a time: '%s' and '%s' were named (an override is KEY=VALUE without blanks)",
                    files.get(0), files.get(1));
        }
        return files.stream().findFirst();
    }

    /** Every argument that is no override, for a verb that takes other files too. */
    public List<Path> paths() {
        return arguments.stream()
                .filter(argument -> !OVERRIDE.matcher(argument).matches())
                .map(Path::of)
                .toList();
    }

    /** The overrides: the plain ones in the order given, then those of {@code --set}. */
    public List<String> overrides() {
        List<String> overrides = new ArrayList<>(arguments.stream()
                .filter(argument -> OVERRIDE.matcher(argument).matches())
                .toList());
        for (String value : set) {
            if (!OVERRIDE.matcher(value).matches()) {
                throw QuernException.badInput("--set takes KEY=VALUE, as in --set learning_rate=3e-4, not '%s'", value);
            }
            overrides.add(value);
        }
        return List.copyOf(overrides);
    }
}
