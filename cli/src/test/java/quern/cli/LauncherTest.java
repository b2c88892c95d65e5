package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher in a small house of its own: the real script, JDK, jar and JVM, and for Maven a script that puts a
 * compiled class in place and counts its runs.
 */
class LauncherTest {
    private static final String PROGRAM = """
            package quern.cli;
            public class Main {
                public static void main(String[] a) throws Exception {
                    if (a.length > 0 && a[0].equals("wait")) { Thread.sleep(60_000); }
                    System.out.println("pid " + ProcessHandle.current().pid());
                    System.out.println("arguments " + java.util.List.of(a));
                    System.out.println("here " + java.nio.file.Path.of("").toAbsolutePath());
                    System.out.println("home " + System.getProperty("quern.home"));
                    System.out.println("policy " + System.getenv("OMP_WAIT_POLICY"));
                    System.out.println("stderr " + System.getProperty("quern.stderr"));
                    String source = new String(Main.class.getResourceAsStream("/source").readAllBytes());
                    System.out.println("source " + source.lines().findFirst().get());
                    System.out.println("x " + System.getProperty("x"));
                    System.out.println("vector " + ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent());
                }
            }
            """;

    private static final String MAVEN = """
            #!/bin/bash
            echo run >>mvn-runs
            echo "[INFO] Building Quern cli 0.1.0 [1/1]"
            [ -z "${SLOW-}" ] || exec sleep "$SLOW"
            if [ "$(head -c 4 cli/src/main/java/Main.java)" = "evil" ]; then
              echo "[ERROR] Main.java:[1,1] not Java"
              exit 1
            fi
            mkdir -p cli/target/launch/classes/quern/cli
            cp "$PREPARED/quern/cli/Main.class" cli/target/launch/classes/quern/cli/
            cp cli/src/main/java/Main.java cli/target/launch/classes/source
            cp "$PREPARED/manifest.jar" cli/target/launch/quern-cli-0.1.0.jar
            """;

    @TempDir
    static Path prepared;

    @TempDir
    Path folder;

    private Path home;
    private final Map<String, String> environment = new HashMap<>();

    @BeforeAll
    static void compile() throws IOException {
        Path source = Files.writeString(prepared.resolve("Main.java"), PROGRAM);
        int code = ToolProvider.getSystemJavaCompiler()
                .run(null, null, null, "-d", prepared.toString(), source.toString());
        assertEquals(0, code);
    }

    @BeforeEach
    void house() throws IOException {
        home = folder.resolve("a house");
        Files.createDirectories(home.resolve(".mvn"));
        Files.createDirectories(home.resolve("cli/src/main/java"));
        for (String file : new String[] {"quern", "jvm.args", "pom.xml", ".mvn/find-java.sh", ".mvn/downloads"}) {
            Files.copy(Bash.ROOT.resolve(file), home.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.writeString(home.resolve("cli/pom.xml"), "");
        Files.writeString(home.resolve("cli/src/main/java/Main.java"), "first");
        // Its length makes the manifest break the line.
        Path outside = Files.createDirectories(folder.resolve("repository/" + "deep/".repeat(20)));
        Files.writeString(outside.resolve("outside.jar"), "");
        Files.writeString(home.resolve("extra.jar"), "");
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes()
                .put(
                        Attributes.Name.CLASS_PATH,
                        home.toRealPath().resolve("extra.jar") + " " + outside.resolve("outside.jar"));
        new JarOutputStream(Files.newOutputStream(prepared.resolve("manifest.jar")), manifest).close();
        environment.put("PREPARED", prepared.toString());
        environment.put("HOME", folder.toString());
        environment.put("PATH", "/usr/bin:/bin");
        environment.put("QUERN_JAVA_HOME", System.getProperty("java.home"));
        Path maven = Bash.executable(folder.resolve("maven/bin/mvn"), MAVEN);
        environment.put("MAVEN_HOME", folder.resolve("maven").toString());
        environment.put("PATH", maven.getParent() + ":/usr/bin:/bin");
    }

    private Bash.Result quern(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(home.resolve("quern").toString()));
        command.addAll(List.of(arguments));
        return Bash.run(folder, environment, command.toArray(String[]::new));
    }

    private long builds() throws IOException {
        Path runs = home.resolve("mvn-runs");
        return Files.exists(runs) ? Files.readAllLines(runs).size() : 0;
    }

    @Test
    void itBuildsOnceAndBecomesTheJvm() throws IOException, InterruptedException {
        Bash.Result first = quern("a b", "", "c*");
        assertEquals(0, first.code(), first.err());
        assertTrue(first.err().startsWith("Quern: building (first use; about "), first.err());
        assertEquals(2, first.err().lines().count(), first.err());
        assertEquals(
                List.of(
                        "pid " + first.pid(),
                        "arguments [a b, , c*]",
                        "here " + folder.toRealPath(),
                        "home " + home.toRealPath(),
                        "policy passive"),
                first.out().lines().limit(5).toList());
        assertTrue(first.out().contains("vector true"), first.out());
        assertFalse(first.out().contains("stderr null"), first.out());

        Bash.Result second = quern();
        assertEquals("", second.err(), "no build, and no notice of the JVM's");
        assertEquals(1, builds());
    }

    @Test
    void itBuildsAgainWhenSourcesChangeAndOnlyThen() throws IOException, InterruptedException {
        quern();
        Path source = home.resolve("cli/src/main/java/Main.java");
        Files.writeString(source, "second");
        Bash.Result changed = quern();
        assertTrue(changed.out().contains("source second"), changed.out());
        assertTrue(changed.err().startsWith("Quern: building (sources changed"), changed.err());

        Files.writeString(home.resolve("README.md"), "not a source");
        quern();
        assertEquals(2, builds());

        Path extra = Files.writeString(home.resolve("cli/src/main/java/Extra.java"), "class Extra {}");
        quern();
        assertEquals(3, builds(), "a file added");
        Files.delete(extra);
        quern();
        assertEquals(4, builds(), "a file removed");
        quern();
        assertEquals(4, builds());
        try (var kept = Files.list(home.resolve("target/app"))) {
            assertEquals(4, kept.count(), "three builds and the name of the current one");
        }
    }

    @Test
    void aFailedBuildIsShownAndTriedAgain() throws IOException, InterruptedException {
        Path source = home.resolve("cli/src/main/java/Main.java");
        Files.writeString(source, "evil");
        Bash.Result failed = quern();
        assertEquals(1, failed.code());
        assertEquals("", failed.out());
        assertTrue(failed.err().contains("[ERROR] Main.java:[1,1] not Java"), failed.err());
        assertTrue(
                failed.err()
                        .contains(home.toRealPath().resolve("target/build.log").toString()),
                failed.err());
        assertTrue(Files.readString(home.resolve("target/build.log")).contains("[INFO] Building"), "the whole log");

        assertEquals(1, quern().code(), "a failed build leaves no stamp");
        Files.writeString(source, "good");
        assertEquals(0, quern().code());
    }

    @Test
    void aStoppedBuildLeavesNothingHalfBuilt() throws IOException, InterruptedException {
        environment.put("SLOW", "60");
        Process first =
                Bash.start(folder, environment, List.of(home.resolve("quern").toString()));
        while (builds() == 0 && first.isAlive()) {
            Thread.sleep(20);
        }
        // What a compiler that was stopped while it wrote may leave.
        Path broken = home.resolve("cli/target/launch/classes/quern/cli/Main.class");
        Files.createDirectories(broken.getParent());
        Files.writeString(broken, "half");
        first.destroy();
        Bash.Result stopped = Bash.end(first);
        assertEquals(130, stopped.code(), stopped.err());
        assertTrue(stopped.err().contains("build stopped"), stopped.err());

        environment.remove("SLOW");
        assertEquals(0, quern().code());
        assertEquals(2, builds());
    }

    @Test
    void twoFirstUsesBuildOnce() throws IOException, InterruptedException {
        List<String> command = List.of(home.resolve("quern").toString());
        Process one = Bash.start(folder, environment, command);
        Process two = Bash.start(folder, environment, command);
        assertEquals(0, Bash.end(one).code());
        assertEquals(0, Bash.end(two).code());
        assertEquals(1, builds());
    }

    @Test
    void aRunningProcessHoldsNoLock() throws IOException, InterruptedException {
        Process running =
                Bash.start(folder, environment, List.of(home.resolve("quern").toString(), "wait"));
        while (!Files.exists(home.resolve("target/app/current")) && running.isAlive()) {
            Thread.sleep(20);
        }
        Files.writeString(home.resolve("cli/src/main/java/Main.java"), "second");
        Bash.Result rebuilt = quern();
        assertEquals(0, rebuilt.code(), rebuilt.err());
        assertFalse(rebuilt.err().contains("waiting"), rebuilt.err());
        running.destroy();
        assertEquals(128 + 15, Bash.end(running).code(), "SIGTERM reaches the JVM itself");
    }

    @Test
    void whatWasDeletedIsBuiltAgain() throws IOException, InterruptedException {
        quern();
        try (var files = Files.walk(home.resolve("target/app"))) {
            Files.delete(files.filter(file -> file.endsWith("quern-cli.jar"))
                    .findFirst()
                    .orElseThrow());
        }
        assertEquals(0, quern().code());
        assertEquals(2, builds());
    }

    @Test
    void itWorksThroughALinkAndTakesOptions() throws IOException, InterruptedException {
        Path link = Files.createSymbolicLink(folder.resolve("q"), Path.of("a house/quern"));
        environment.put("QUERN_JAVA_OPTS", "-Dx=1 -Xmx64m");
        environment.put("OMP_WAIT_POLICY", "active");
        Bash.Result result = Bash.run(folder, environment, link.toString());
        assertTrue(result.out().contains("x 1"), result.out() + result.err());
        assertTrue(result.out().contains("policy active"), result.out());
        assertTrue(result.out().contains("home " + home.toRealPath()), result.out());
        assertTrue(result.out().contains("stderr null"), "own options: standard error stays as it is");

        environment.put("QUERN_JAVA_OPTS", "-XX:NoSuchOption");
        Bash.Result wrong = quern();
        assertTrue(wrong.err().contains("NoSuchOption"), "the JVM's own word is seen: " + wrong.err());
    }

    @Test
    void aHouseThatCannotBeWrittenSaysSo() throws IOException, InterruptedException {
        Files.writeString(home.resolve("target"), "a file where the folder should be");
        Bash.Result result = quern();
        assertEquals(2, result.code());
        assertTrue(result.err().contains("cannot be written"), result.err());
    }
}
