package quern.testkit;

import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the repository that the tests belong to. */
public final class RepositoryFiles {
    private RepositoryFiles() {}

    /**
     * The repository's root: the system property {@code quern.root} where set, otherwise the nearest folder from the
     * working directory upwards that holds {@code jvm.args} and {@code pom.xml}.
     *
     * @throws IllegalStateException if there is none
     */
    public static Path root() {
        String named = System.getProperty("quern.root");
        Path start = Path.of(named == null ? "" : named).toAbsolutePath().normalize();
        if (named != null) {
            if (!isRoot(start)) {
                throw new IllegalStateException("quern.root names " + start + ", which has no jvm.args and pom.xml");
            }
            return start;
        }
        for (Path folder = start; folder != null; folder = folder.getParent()) {
            if (isRoot(folder)) {
                return folder;
            }
        }
        throw new IllegalStateException(
                "no folder from " + start + " upwards has jvm.args and pom.xml; set quern.root");
    }

    /**
     * A file or folder below the root that must exist.
     *
     * @throws IllegalStateException if it does not
     */
    public static Path existing(String first, String... more) {
        Path path = root().resolve(Path.of(first, more));
        if (!Files.exists(path)) {
            throw new IllegalStateException(path + " does not exist");
        }
        return path;
    }

    private static boolean isRoot(Path folder) {
        return Files.isRegularFile(folder.resolve("jvm.args")) && Files.isRegularFile(folder.resolve("pom.xml"));
    }
}
