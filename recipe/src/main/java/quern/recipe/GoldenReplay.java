package quern.recipe;

import java.util.List;

/**
 * Replays golden cases of one kind. The lowest room that has everything a kind needs provides it, listed in {@code
 * META-INF/services/quern.recipe.GoldenReplay}; a provider has a public constructor without arguments and loads no
 * native library before {@link #replay}.
 */
public interface GoldenReplay {
    /** The kind of case, as {@code case.json} names it. */
    String kind();

    /** Runs the case and compares; a case that can't be run is a {@link QuernException}, not a failed check. */
    List<GoldenCheck> replay(GoldenCase golden);
}
