package quern.cli.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import quern.recipe.Technique;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What shows that a technique is right: tests, golden cases and records, found in a checkout of the sources.
 *
 * <ul>
 *   <li>a test is a file under {@code src/test/java} that names the technique's class;
 *   <li>a golden is a {@code case.json} under {@code src/test/resources} or {@code goldens} whose field of the
 *       technique's kind is its id ({@code "optim": "adamw"}), or whose own kind and name are the technique's;
 *   <li>a record is a folder of {@code records} with a text in it that names {@code kind/id}.
 * </ul>
 */
public final class Proofs {
    private static final Pattern WORD = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*(?:/[a-z0-9_.-]+)?");
    private static final Set<String> PASSED_OVER = Set.of("target", "runs", "cache", "node_modules");
    private static final long MOST_BYTES = 1 << 20;

    private final Path home;
    private final Map<Path, Set<String>> words = new TreeMap<>();
    private final Map<Path, JsonNode> cases = new TreeMap<>();

    private Proofs(Path home) {
        this.home = home;
    }

    /** Reads the tests, goldens and records under {@code home}; no proof is found where it holds no sources. */
    public static Proofs under(Path home) {
        Proofs proofs = new Proofs(home.toAbsolutePath().normalize());
        try {
            Files.walkFileTree(proofs.home, proofs.new Visitor());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return proofs;
    }

    /** Paths relative to the home, sorted: tests, then goldens, then records. */
    public List<String> of(Technique technique) {
        String type = technique.getClass().getSimpleName();
        String name = technique.kind() + "/" + technique.id();
        List<String> tests = new ArrayList<>();
        List<String> goldens = new ArrayList<>();
        List<String> records = new ArrayList<>();
        words.forEach((file, found) -> {
            if (file.startsWith("records")) {
                if (found.contains(name) && !records.contains(file.subpath(0, 2).toString())) {
                    records.add(file.subpath(0, 2).toString());
                }
            } else if (found.contains(type)) {
                tests.add(file.toString());
            }
        });
        cases.forEach((folder, json) -> {
            if (proves(json, technique)) {
                goldens.add(folder.toString());
            }
        });
        tests.addAll(goldens);
        tests.addAll(records);
        return tests;
    }

    private static boolean proves(JsonNode json, Technique technique) {
        String kind = json.path("kind").asString("");
        String name = json.path("name").asString("");
        return json.path(technique.kind()).asString("").equals(technique.id())
                || kind.equals(technique.kind())
                        && (name.equals(technique.id())
                                || name.startsWith(technique.id() + "_")
                                || name.startsWith(technique.id() + "-"));
    }

    private final class Visitor extends SimpleFileVisitor<Path> {
        @Override
        public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            String name = folder.equals(home) ? "" : folder.getFileName().toString();
            boolean skipped = name.startsWith(".") || PASSED_OVER.contains(name) || folder.endsWith("src/main");
            return skipped ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
        }

        @Override
        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
            Path relative = home.relativize(file);
            String path = relative.toString();
            if (attributes.size() > MOST_BYTES) {
                return FileVisitResult.CONTINUE;
            }
            boolean test = path.contains("src/test/java/") && path.endsWith(".java");
            boolean record = relative.startsWith("records")
                    && relative.getNameCount() > 2
                    && (path.endsWith(".md") || path.endsWith(".json"));
            if (test || record) {
                words.put(relative, wordsOf(file));
            } else if (file.endsWith("case.json")) {
                try {
                    cases.put(relative.getParent(), JsonMapper.shared().readTree(Files.readString(file)));
                } catch (JacksonException e) {
                    // A case that is broken proves nothing; `quern verify` says what is wrong with it.
                    return FileVisitResult.CONTINUE;
                }
            }
            return FileVisitResult.CONTINUE;
        }

        private Set<String> wordsOf(Path file) throws IOException {
            Set<String> found = new java.util.HashSet<>();
            Matcher word = WORD.matcher(new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
            while (word.find()) {
                found.add(word.group());
                int slash = word.group().indexOf('/');
                if (slash > 0) {
                    found.add(word.group().substring(0, slash));
                }
            }
            return found;
        }

        @Override
        public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE;
        }
    }
}
