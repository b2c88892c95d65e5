package quern.cli.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.Technique;

class ProofsTest {
    @TempDir
    Path home;

    /** A technique to look for. */
    static final class Plover implements Technique {
        record Config() {}

        @Override
        public String kind() {
            return "optim";
        }

        @Override
        public String id() {
            return "plover";
        }

        @Override
        public String summary() {
            return "a bird";
        }

        @Override
        public Class<? extends Record> config() {
            return Config.class;
        }
    }

    private void write(String path, String text) throws IOException {
        Path file = home.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    @Test
    void testsGoldensAndRecordsAreFound() throws IOException {
        String tests = "optim/src/test/java/quern/";
        write(tests + "cli/internal/SameTest.java", "package quern.cli.internal; class SameTest { Plover p; }");
        write(tests + "a/ImportTest.java", "import quern.cli.internal.Plover; class T { Plover p; }");
        write(tests + "a/StarTest.java", "import quern.cli.internal.*; class T { Plover p; }");
        write(tests + "a/OtherTest.java", "import quern.birds.Plover; class T { Plover p; }");
        write(tests + "a/LongerTest.java", "package quern.cli.internal; class T { PloverEgg p; }");
        write("optim/src/main/java/quern/cli/internal/Plover.java", "package quern.cli.internal; class Plover {}");
        write("goldens/one/case.json", "{\"kind\": \"optimizer\", \"optim\": \"plover\"}");
        write("goldens/two/case.json", "{\"kind\": \"optimizer\", \"optim\": \"ploverette\"}");
        write("goldens/three/case.json", "{\"kind\": \"optim\", \"name\": \"plover_large\"}");
        write("goldens/broken/case.json", "{\"kind\"");
        write("records/2026-plover/README.md", "Shows that optim/plover converges.");
        write("records/2026-plover/numbers.json", "{\"technique\": \"optim/plover\"}");
        write("records/2026-egg/README.md", "Shows that optim/plover-egg and birds/optim/plover do not count.");
        write("target/goldens/one/case.json", "{\"kind\": \"optimizer\", \"optim\": \"plover\"}");

        assertEquals(
                List.of(
                        tests + "a/ImportTest.java",
                        tests + "a/StarTest.java",
                        tests + "cli/internal/SameTest.java",
                        "goldens/one",
                        "goldens/three",
                        "records/2026-plover"),
                Proofs.under(home).of(new Plover()));
    }

    @Test
    void withoutSourcesThereIsNoProof() {
        assertEquals(List.of(), Proofs.under(home).of(new Plover()));
    }
}
