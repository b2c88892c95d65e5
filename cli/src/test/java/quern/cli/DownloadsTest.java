package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The launcher's table of what it will fetch agrees with what the modules depend on. */
class DownloadsTest {
    private static final double LISTED_FROM_MEGABYTES = 1.5;
    private static final List<String> ONLY_FOR_TESTS = List.of("archunit", "junit", "jqwik");

    private static Map<String, Integer> table() throws IOException {
        Map<String, Integer> table = new LinkedHashMap<>();
        for (String line : Files.readAllLines(Bash.ROOT.resolve(".mvn/downloads"))) {
            if (!line.startsWith("#")) {
                String[] fields = line.split(" ");
                assertEquals(2, fields.length, line);
                table.put(fields[1], Integer.parseInt(fields[0]));
            }
        }
        return table;
    }

    private static double megabytes(Path file) throws IOException {
        return Files.size(file) / 1e6;
    }

    @Test
    void everyLargeJarIsListedWithItsSizeAndNoOther() throws IOException {
        Map<String, Integer> table = table();
        List<String> found = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            Path jar = Path.of(entry);
            String path = entry.replace(File.separatorChar, '/');
            if (!path.endsWith(".jar") || ONLY_FOR_TESTS.stream().anyMatch(path::contains)) {
                continue;
            }
            String listed =
                    table.keySet().stream().filter(path::endsWith).findFirst().orElse(null);
            if (listed != null) {
                assertEquals(megabytes(jar), table.get(listed), 0.51, "rounded: " + entry);
                found.add(listed);
            } else {
                assertTrue(megabytes(jar) < LISTED_FROM_MEGABYTES, "missing in .mvn/downloads: " + entry);
            }
        }
        List<String> others = new ArrayList<>(table.keySet());
        others.removeAll(found);
        assertEquals(1, others.size(), "only the line for everything else is not on the class path: " + others);
        String pom = Files.readString(Bash.ROOT.resolve("pom.xml"));
        String[] plugin = others.getFirst().split("/");
        assertTrue(
                pom.contains(
                        "<artifactId>" + plugin[4] + "</artifactId>\n          <version>" + plugin[5] + "</version>"),
                "the plugin's version is the root pom's: " + others);
    }
}
