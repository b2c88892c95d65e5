package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RepositoryFilesTest {
    @Test
    void rootHoldsThisModule() {
        assertTrue(Files.isRegularFile(RepositoryFiles.root().resolve("testkit/pom.xml")));
        assertTrue(RepositoryFiles.root().isAbsolute());
    }

    @Test
    void existingNamesWhatIsMissing() {
        assertEquals(RepositoryFiles.root().resolve("testkit/pom.xml"), RepositoryFiles.existing("testkit", "pom.xml"));
        IllegalStateException e =
                assertThrows(IllegalStateException.class, () -> RepositoryFiles.existing("no", "such-file"));
        assertTrue(e.getMessage().contains("such-file"), e.getMessage());
    }

    @Test
    void aPropertyThatNamesAnotherFolderIsRefused(@TempDir Path folder) {
        String before = System.getProperty("quern.root");
        System.setProperty("quern.root", folder.toString());
        try {
            assertThrows(IllegalStateException.class, RepositoryFiles::root);
        } finally {
            if (before == null) {
                System.clearProperty("quern.root");
            } else {
                System.setProperty("quern.root", before);
            }
        }
    }

    @Test
    void withoutThePropertyTheRootIsFoundUpwards() {
        Path root = RepositoryFiles.root();
        ChildJvm.Result result =
                ChildJvm.of(PrintRoot.class).directory(root.resolve("testkit")).run(java.time.Duration.ofSeconds(60));
        assertEquals(0, result.exitCode(), result.stderr());
        assertEquals(root.toString(), result.stdout().strip());
    }

    /** Prints the root as a process without the property finds it. */
    static final class PrintRoot {
        public static void main(String[] args) {
            System.out.println(RepositoryFiles.root());
        }
    }
}
