package quern.search;

import java.util.List;
import java.util.Locale;

/**
 * One of the things that are compared: changes to a recipe, under a name.
 *
 * @param name what tables and pictures call it
 * @param settings changes as {@link quern.recipe.RecipeFile#changed} takes them: {@code key=value}, or a block in braces
 */
public record Arm(String name, List<String> settings) {
    private static final int LONGEST_FOLDER = 80;

    public Arm {
        settings = List.copyOf(settings);
    }

    /** The name as part of a path. */
    String folder() {
        return folder(name);
    }

    /** A text as the name of a folder: letters, digits and {@code . _ = -}. */
    static String folder(String text) {
        String plain =
                text.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9._=+-]+", "-").replaceAll("^[-.]+|-+$", "");
        String cut = plain.length() > LONGEST_FOLDER ? plain.substring(0, LONGEST_FOLDER) : plain;
        return cut.isEmpty() ? "arm" : cut;
    }
}
