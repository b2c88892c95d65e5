package quern.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The house's arrows: which room may look into which. Rooms that are not built yet are named already. */
class ArchitectureTest {
    // Direct arrows; a room may look into whatever is reached along them.
    private static final Map<String, List<String>> ARROWS = new TreeMap<>(Map.ofEntries(
            Map.entry("recipe", List.of()),
            Map.entry("testkit", List.of()),
            Map.entry("tensor", List.of("recipe")),
            Map.entry("data", List.of("recipe")),
            Map.entry("nn", List.of("tensor")),
            Map.entry("optim", List.of("tensor")),
            Map.entry("models", List.of("nn")),
            Map.entry("distributed", List.of("nn", "optim")),
            Map.entry("train", List.of("models", "optim", "data", "distributed")),
            Map.entry("evaluate", List.of("train")),
            Map.entry("curate", List.of("train")),
            Map.entry("tune", List.of("evaluate")),
            Map.entry("compress", List.of("evaluate")),
            Map.entry("search", List.of("evaluate")),
            Map.entry("interpret", List.of("evaluate")),
            Map.entry("retrieve", List.of("evaluate")),
            Map.entry("serve", List.of("evaluate")),
            Map.entry("spark", List.of("data")),
            Map.entry(
                    "cli",
                    List.of("curate", "tune", "compress", "search", "interpret", "retrieve", "serve", "evaluate")),
            Map.entry("bench", List.of("cli", "spark"))));

    private static final JavaClasses HOUSE;

    static {
        // The names of the libraries' classes are enough; reading those classes too takes most of a minute.
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        HOUSE = new ClassFileImporter()
                .withImportOption(location -> !location.contains("/test-classes/") && !location.contains("-tests.jar"))
                .importPackages("quern");
    }

    private static String room(JavaClass type) {
        String name = type.getPackageName();
        return name.startsWith("quern.") ? name.substring(6).split("\\.")[0] : "";
    }

    private static Set<String> reach(String room) {
        Set<String> reached = new HashSet<>(Set.of(room));
        for (String next : ARROWS.get(room)) {
            reached.addAll(reach(next));
        }
        return reached;
    }

    @Test
    void everyModuleIsARoomOfThePlan() throws IOException {
        Path root = Path.of(System.getProperty("quern.root"));
        try (var folders = Files.list(root)) {
            Set<String> modules = folders.filter(folder -> Files.exists(folder.resolve("pom.xml")))
                    .map(folder -> folder.getFileName().toString())
                    .collect(Collectors.toCollection(TreeSet::new));
            assertTrue(ARROWS.keySet().containsAll(modules), modules::toString);
        }
    }

    @Test
    void everyClassLiesInARoom() {
        Set<String> rooms = HOUSE.stream().map(ArchitectureTest::room).collect(Collectors.toCollection(TreeSet::new));
        assertTrue(ARROWS.keySet().containsAll(rooms), rooms::toString);
        assertTrue(rooms.containsAll(List.of("recipe", "tensor", "cli")), "the class path holds the rooms: " + rooms);
    }

    @Test
    void arrowsPointOneWayAndInternalPackagesAreClosed() {
        classes().should(new StayOnTheirSide()).check(HOUSE);
    }

    /** Each class depends only on rooms along the arrows, and in other rooms on no package {@code internal}. */
    private static final class StayOnTheirSide extends ArchCondition<JavaClass> {
        private final Map<String, Set<String>> allowed =
                ARROWS.keySet().stream().collect(Collectors.toMap(room -> room, ArchitectureTest::reach));

        StayOnTheirSide() {
            super("depend on rooms along the arrows only, and on their open packages");
        }

        @Override
        public void check(JavaClass type, ConditionEvents events) {
            String from = room(type);
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                JavaClass target = dependency.getTargetClass().getBaseComponentType();
                String to = room(target);
                boolean closed = !from.equals(to) && target.getPackageName().contains(".internal");
                if (!to.isEmpty() && (closed || !allowed.get(from).contains(to))) {
                    events.add(SimpleConditionEvent.violated(dependency, dependency.getDescription()));
                }
            }
        }
    }

    @Test
    void nativeCodeIsNamedInOneRoomOnly() {
        noClasses()
                .that()
                .resideInAPackage("quern..")
                .and()
                .resideOutsideOfPackage("quern.tensor..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.bytedeco..")
                .check(HOUSE);
    }

    @Test
    void roomsAreReachedAlongSeveralArrows() {
        assertEquals(Set.of("tensor", "recipe"), reach("tensor"));
        assertTrue(reach("cli").containsAll(List.of("data", "nn", "optim", "distributed")));
        assertTrue(!reach("cli").contains("spark") && !reach("cli").contains("testkit"));
    }
}
