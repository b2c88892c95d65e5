package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.testkit.RepositoryFiles;

class SparkEngineTest {
    @TempDir
    private Path folder;

    private Path recipe() throws IOException {
        Files.writeString(folder.resolve("a.txt"), "Some text to read.");
        return Files.writeString(
                folder.resolve("recipe.yaml"), "prepare: {sources: [{path: '%s/a.txt'}]}".formatted(folder));
    }

    @Test
    void optionsThatWouldDoNothingAreRefused() throws IOException {
        Cli master = Cli.run("data", "prepare", recipe().toString(), "--master", "local[2]");
        assertEquals(2, master.code());
        assertTrue(master.err().contains("--master") && master.err().contains("--engine spark"), master.err());
        Cli json = Cli.run("data", "prepare", recipe().toString(), "--engine", "spark", "--json");
        assertEquals(2, json.code());
        assertTrue(json.err().contains("report.json"), json.err());
    }

    /** What a start without Spark would fetch is told in advance, for the versions that are fetched. */
    @Test
    void theDownloadIsThatOfTheVersionInUse() throws IOException {
        Path root = RepositoryFiles.root();
        var version = Pattern.compile("<spark.version>(.*?)</spark.version>")
                .matcher(Files.readString(root.resolve("pom.xml")));
        assertTrue(version.find());
        List<String> jars = Files.readAllLines(root.resolve("spark/downloads")).stream()
                .filter(line -> line.contains("org/apache/spark/"))
                .toList();
        assertEquals(3, jars.size());
        for (String jar : jars) {
            assertTrue(jar.endsWith("-" + version.group(1) + ".jar"), jar);
        }
        assertTrue(Files.isExecutable(root.resolve("spark/prepare")));
    }
}
