package quern.cli.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import quern.recipe.Technique;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What shows that a technique is right: tests, golden cases and records, found in a checkout of the sources.
 *
 * <ul>
 *   <li>a test is a file under {@code src/test/java} that names the technique's class and imports it or lies in its
 *       package;
 *   <li>a golden is a {@code case.json} under {@code src/test/resources} or {@code goldens} whose field of the
 *       technique's kind is its id ({@code "optim": "adamw"}), or whose own kind and name are the technique's;
 *   <li>a record is a folder of {@code records} with a text in it that names {@code kind/id}.
 * </ul>
 */
public final class Proofs {
    private static final Set<String> PASSED_OVER = Set.of("target", "runs", "cache", "node_modules");
    private static final long MOST_BYTES = 1 << 20;

    private final Path home;
    private final Map<Path, Set<String>> tests = new TreeMap<>();
    private final Map<Path, String> records = new TreeMap<>();
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
        String folder = technique.getClass().getPackageName();
        Pattern name =
                Pattern.compile("(?<![\\w/])" + Pattern.quote(technique.kind() + "/" + technique.id()) + "(?![\\w-])");
        Set<String> proof = new LinkedHashSet<>();
        tests.forEach((file, words) -> {
            boolean sees = words.contains(folder) || words.contains(folder + "." + type);
            if (sees && words.contains(type)) {
                proof.add(file.toString());
            }
        });
        cases.forEach((place, json) -> {
            if (proves(json, technique)) {
                proof.add(place.toString());
            }
        });
        records.forEach((file, text) -> {
            if (name.matcher(text).find()) {
                proof.add(file.subpath(0, 2).toString());
            }
        });
        return List.copyOf(proof);
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

    /**
     * The identifiers of a Java file, and its dotted names whole: so the package it lies in, the classes it imports, and
     * the packages it imports with an asterisk. Sources are ASCII where this looks.
     */
    static Set<String> words(byte[] source) {
        Set<String> words = new HashSet<>();
        int word = -1;
        int dotted = -1;
        for (int i = 0; i <= source.length; i++) {
            char c = i < source.length ? (char) (source[i] & 0xff) : ' ';
            if (c < 128 && Character.isJavaIdentifierPart(c)) {
                word = word < 0 ? i : word;
                dotted = dotted < 0 ? i : dotted;
                continue;
            }
            if (word >= 0) {
                words.add(new String(source, word, i - word, StandardCharsets.ISO_8859_1));
                word = -1;
            }
            if (dotted >= 0 && c != '.') {
                String name = new String(source, dotted, i - dotted, StandardCharsets.ISO_8859_1);
                words.add(name.endsWith(".") ? name.substring(0, name.length() - 1) : name);
                dotted = -1;
            }
        }
        return words;
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
            if (path.contains("src/test/java/") && path.endsWith(".java")) {
                tests.put(relative, words(Files.readAllBytes(file)));
            } else if (relative.startsWith("records")
                    && relative.getNameCount() > 2
                    && (path.endsWith(".md") || path.endsWith(".json"))) {
                records.put(relative, new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
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

        @Override
        public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE;
        }
    }
}
