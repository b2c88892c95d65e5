package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Discovery of techniques by ServiceLoader. */
class TechniquesTest {
    private static final Position WHERE = new Position("test.yaml", 4, 1);

    /** The techniques of one kind, as a room would extend the interface. */
    interface TestOptimizer extends Technique {
        @Override
        default String kind() {
            return "optim";
        }
    }

    /** A provider with settings. */
    public static final class Sgd implements TestOptimizer {
        record Config(
                @Doc("The share of the last update that is kept.")
                @Default("0.0")
                @Range(min = 0, max = 1, maxExclusive = true)
                double momentum,

                @Doc("Whether the gradient is looked up ahead.") @Default("false")
                boolean nesterov) {}

        @Override
        public String id() {
            return "sgd";
        }

        @Override
        public String summary() {
            return "Stochastic gradient descent";
        }

        @Override
        public Class<? extends Record> config() {
            return Config.class;
        }
    }

    /** A provider without settings. */
    public static final class AdamW implements TestOptimizer {
        record Config() {}

        @Override
        public String id() {
            return "adamw";
        }

        @Override
        public String summary() {
            return "Adam with decoupled weight decay";
        }

        @Override
        public Class<? extends Record> config() {
            return Config.class;
        }
    }

    /** A provider of another kind. */
    public static final class Constant implements Technique {
        record Config() {}

        @Override
        public Set<String> otherIds() {
            return Set.of("flat");
        }

        @Override
        public String kind() {
            return "lr_scheduler_type";
        }

        @Override
        public String id() {
            return "constant";
        }

        @Override
        public String summary() {
            return "A constant rate";
        }

        @Override
        public Class<? extends Record> config() {
            return Config.class;
        }
    }

    @Test
    void allAreSortedByKindThenId() {
        assertEquals(
                List.of("lr_scheduler_type constant", "optim adamw", "optim sgd"),
                Techniques.all().stream()
                        .map(technique -> technique.kind() + " " + technique.id())
                        .toList());
    }

    @Test
    void findsOneByKindAndId() {
        assertInstanceOf(Sgd.class, Techniques.find(TestOptimizer.class, "optim", "sgd", WHERE));
    }

    @Test
    void anAliasFindsTheTechniqueAndIsNotListed() {
        assertInstanceOf(Constant.class, Techniques.find(Technique.class, "lr_scheduler_type", "flat", WHERE));
        assertTrue(
                Techniques.all().stream().noneMatch(technique -> technique.id().equals("flat")));
        assertThrows(QuernException.class, () -> Techniques.find(Technique.class, "optim", "flat", WHERE));
    }

    @Test
    void anUnknownIdIsAnsweredWithTheNearestAndTheKnown() {
        QuernException refused =
                assertThrows(QuernException.class, () -> Techniques.find(TestOptimizer.class, "optim", "adamv", WHERE));
        assertEquals(
                "test.yaml:4:1: unknown optim 'adamv' (did you mean 'adamw'?); known: adamw, sgd",
                refused.getMessage());
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
    }

    @Test
    void aKindWithoutTechniquesSaysSo() {
        QuernException refused =
                assertThrows(QuernException.class, () -> Techniques.find(Technique.class, "adapter", "lora", WHERE));
        assertEquals("test.yaml:4:1: unknown adapter 'lora'; this installation has none", refused.getMessage());
    }

    @Test
    void theWrongTypeIsADefectOfTheProgram() {
        assertThrows(
                IllegalStateException.class,
                () -> Techniques.find(TestOptimizer.class, "lr_scheduler_type", "constant", WHERE));
    }

    @Test
    void twoProvidersOfOneNameAreRefused(@TempDir Path folder) throws IOException {
        assertRefused("two providers of optim 'sgd': ", OtherSgd.class, folder);
    }

    @Test
    void anAliasThatIsTakenIsRefused(@TempDir Path folder) throws IOException {
        assertRefused("two providers of optim 'adamw': ", AlsoAdamW.class, folder);
    }

    private void assertRefused(String expected, Class<? extends Technique> another, Path folder) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(Technique.class.getName()), another.getName());
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
            QuernException refused = assertThrows(QuernException.class, () -> Techniques.load(loader));
            assertEquals(ExitCode.FAILED, refused.exitCode());
            assertTrue(refused.getMessage().startsWith(expected), refused.getMessage());
        }
    }

    /** Claims a name that is taken. */
    public static final class OtherSgd implements TestOptimizer {
        @Override
        public String id() {
            return "sgd";
        }

        @Override
        public String summary() {
            return "Another";
        }

        @Override
        public Class<? extends Record> config() {
            return AdamW.Config.class;
        }
    }

    /** Claims a name that is taken as an alias. */
    public static final class AlsoAdamW implements TestOptimizer {
        @Override
        public String id() {
            return "adam_with_decay";
        }

        @Override
        public Set<String> otherIds() {
            return Set.of("adamw");
        }

        @Override
        public String summary() {
            return "Another";
        }

        @Override
        public Class<? extends Record> config() {
            return AdamW.Config.class;
        }
    }
}
