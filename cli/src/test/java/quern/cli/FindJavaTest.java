package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How the scripts find a JDK and Maven, among folders that look like JDKs. */
class FindJavaTest {
    @TempDir
    Path root;

    private final Map<String, String> environment = new HashMap<>();

    @BeforeEach
    void homeAndPath() throws IOException {
        Files.createDirectories(root.resolve("home"));
        environment.put("HOME", root.resolve("home").toString());
        // The tools the scripts use and no java.
        Path tools = Files.createDirectories(root.resolve("tools"));
        for (String tool : new String[] {"readlink", "bash"}) {
            Files.createSymbolicLink(tools.resolve(tool), Path.of("/bin", tool).toRealPath());
        }
        environment.put("PATH", tools.toString());
    }

    /** A folder with what a JDK of this version has; its programs only fail, since nothing may run them. */
    private Path jdk(String folder, String version) throws IOException {
        Path jdk = root.resolve(folder);
        Bash.executable(jdk.resolve("bin/java"), "#!/bin/bash\nexit 99\n");
        Bash.executable(jdk.resolve("bin/javac"), "#!/bin/bash\nexit 99\n");
        Files.writeString(jdk.resolve("release"), "IMPLEMENTOR=\"Someone\"\nJAVA_VERSION=\"" + version + "\"\n");
        return jdk;
    }

    private Bash.Result find() throws IOException, InterruptedException {
        return script("quern_find_java '" + root + "' && echo \"$quern_java\"");
    }

    private Bash.Result script(String command) throws IOException, InterruptedException {
        return Bash.run(
                root,
                environment,
                "/bin/bash",
                "-uc",
                ". '" + Bash.ROOT.resolve(".mvn/find-java.sh") + "'; " + command);
    }

    private void assertFound(Path jdk) throws IOException, InterruptedException {
        Bash.Result found = find();
        assertEquals(jdk + "\n", found.out(), found.err());
        assertEquals("", found.err());
    }

    private void assertFails(String part) throws IOException, InterruptedException {
        Bash.Result found = find();
        assertEquals(2, found.code());
        assertEquals("", found.out());
        assertEquals(1, found.err().lines().count(), found.err());
        assertTrue(found.err().startsWith("quern: error: ") && found.err().contains(part), found.err());
    }

    @Test
    void theUsualFoldersAreSearched() throws IOException, InterruptedException {
        jdk("usr/lib/jvm/java-17-openjdk-amd64", "17.0.15");
        for (String folder : new String[] {
            "usr/lib/jvm/temurin-25-jdk-amd64",
            "opt/jdk-25.0.3+9",
            "opt/java/openjdk",
            "usr/java/jdk-25",
            "home/.sdkman/candidates/java/25-tem",
            "home/.jdks/openjdk-25"
        }) {
            Path jdk = jdk(folder, "25.0.3");
            assertFound(jdk);
            Files.delete(jdk.resolve("release"));
        }
        assertFails("newest seen: 17 in " + root.resolve("usr/lib/jvm/java-17-openjdk-amd64"));
    }

    @Test
    void anOlderDefaultBesideItDoesNotMatter() throws IOException, InterruptedException {
        Path older = jdk("usr/lib/jvm/java-17", "17.0.1");
        Path wanted = jdk("opt/jdk25", "25");
        environment.put("JAVA_HOME", older.toString());
        Files.createSymbolicLink(root.resolve("tools/java"), older.resolve("bin/java"));
        assertFound(wanted);
    }

    @Test
    void theOrderIsOwnVariableThenJavaHomeThenPathThenFolders() throws IOException, InterruptedException {
        Path inFolder = jdk("usr/lib/jvm/jdk25", "25.0.1");
        assertFound(inFolder);
        Path onPath = jdk("somewhere/jdk26", "26-ea");
        Files.createSymbolicLink(root.resolve("tools/java"), onPath.resolve("bin/java"));
        assertFound(onPath);
        Path javaHome = jdk("somewhere/with blank/jdk25", "25.0.2");
        environment.put("JAVA_HOME", javaHome.toString());
        assertFound(javaHome);
        Path own = jdk("somewhere/own", "25.0.3");
        environment.put("QUERN_JAVA_HOME", own.toString());
        assertFound(own);
    }

    @Test
    void theTestedVersionGoesBeforeANewerOne() throws IOException, InterruptedException {
        Path newer = jdk("usr/lib/jvm/a-jdk27", "27");
        assertFound(newer);
        assertFound(jdk("usr/lib/jvm/b-jdk25", "25"));
    }

    @Test
    void aWrongOwnVariableIsAnErrorEvenBesideAGoodJdk() throws IOException, InterruptedException {
        jdk("usr/lib/jvm/jdk25", "25");
        environment.put("QUERN_JAVA_HOME", root.resolve("nowhere").toString());
        assertFails("nowhere, which holds no JDK");
        environment.put("QUERN_JAVA_HOME", jdk("old", "1.8.0_412").toString());
        assertFails("a JDK 8");
    }

    @Test
    void whatHasNoCompilerOrNoReleaseFileIsPassedOver() throws IOException, InterruptedException {
        assertFails("none seen");
        Files.delete(jdk("usr/lib/jvm/a-jre25", "25").resolve("bin/javac"));
        Files.delete(jdk("usr/lib/jvm/b-jdk25", "25").resolve("release"));
        Files.writeString(jdk("usr/lib/jvm/c-jdk25", "25").resolve("release"), "IMPLEMENTOR=\"Someone\"\n");
        assertFails("none seen");
        environment.put("JAVA_HOME", root.resolve("usr/lib/jvm/a-jre25").toString());
        assertFails("install one");
    }

    @Test
    void mavenIsFoundOnPathOrByItsHome() throws IOException, InterruptedException {
        String find = "quern_find_maven && echo \"$quern_maven\"";
        Bash.Result none = script(find);
        assertEquals(2, none.code());
        assertTrue(
                none.err().startsWith("quern: error: no Maven")
                        && none.err().lines().count() == 1,
                none.err());
        Path home = Bash.executable(root.resolve("maven/bin/mvn"), "#!/bin/bash\n");
        environment.put("MAVEN_HOME", root.resolve("maven").toString());
        assertEquals(home + "\n", script(find).out());
        Path onPath = Bash.executable(root.resolve("tools/mvn"), "#!/bin/bash\n");
        assertEquals(onPath + "\n", script(find).out());
    }

    @Test
    void otherSystemsAndCpusGetOneLine() throws IOException, InterruptedException {
        Path cpuinfo = Files.writeString(root.resolve("cpuinfo"), "processor : 0\nflags\t\t: fpu avx avx512f\n");
        for (String[] platform : new String[][] {
            {"Darwin arm64 darwin24", "Darwin on arm64"},
            {"Linux aarch64 linux-gnu", "Linux on aarch64"},
            {"Linux x86_64 linux-musl", "musl"},
            {"Linux x86_64 linux-gnu", "no AVX2"}
        }) {
            Bash.Result result = script("quern_check_platform " + platform[0] + " " + cpuinfo + "; echo passed");
            assertEquals(2, result.code());
            assertEquals("", result.out());
            assertEquals(1, result.err().lines().count());
            assertTrue(result.err().contains(platform[1]), result.err());
        }
        Files.writeString(cpuinfo, "processor : 0\nflags\t\t: fpu avx avx2\n");
        assertEquals(
                "passed\n",
                script("quern_check_platform Linux x86_64 linux-gnu " + cpuinfo + "; echo passed")
                        .out());
    }

    @Test
    void missingMegabytesAreAddedUp() throws IOException, InterruptedException {
        Path table = Files.writeString(root.resolve("table"), "# MB path\n90 a/big.jar\n\n3 b/small.jar\n20 c\n");
        Path repository = Files.createDirectories(root.resolve("repository/a"));
        Files.writeString(repository.resolve("big.jar"), "");
        assertEquals(
                "23",
                script("quern_missing_megabytes '" + root + "/repository' '" + table + "'")
                        .out());
    }

    @Test
    void theLocalRepositoryIsTheOneOfTheSettings() throws IOException, InterruptedException {
        assertEquals(
                root.resolve("home/.m2/repository").toString(),
                script("quern_local_repository").out());
        Path settings = root.resolve("home/.m2/settings.xml");
        Files.createDirectories(settings.getParent());
        Files.writeString(
                settings, "<settings>\n  <localRepository>${user.home}/jars</localRepository>\n</settings>\n");
        assertEquals(
                root.resolve("home/jars").toString(),
                script("quern_local_repository").out());
    }
}
