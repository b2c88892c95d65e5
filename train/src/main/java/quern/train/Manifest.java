package quern.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code trainer/manifest.json} of a checkpoint: the format's version and every file's size and SHA-256. A checkpoint
 * whose files are not exactly these is refused before anything is read from them.
 */
final class Manifest {
    /** The version of the checkpoint format that this build writes; it reads this one and older ones. */
    static final int FORMAT = 1;

    static final String FILE = "trainer/manifest.json";

    /** Without these, whatever the manifest says, there is nothing to resume from. */
    private static final List<String> REQUIRED =
            List.of("config.json", "trainer/optimizer.safetensors", Checkpoints.STATE);

    private Manifest() {}

    /** Writes the manifest of all other files below {@code checkpoint}. */
    static void write(Path checkpoint, long step) {
        ObjectNode root = Json.object();
        root.put("format", FORMAT);
        root.put("step", step);
        ArrayNode files = root.putArray("files");
        for (String name : files(checkpoint)) {
            Path file = checkpoint.resolve(name);
            ObjectNode f = files.addObject();
            f.put("path", name);
            try {
                f.put("size", Files.size(file));
            } catch (IOException e) {
                throw QuernException.failed("%s: just written, but its size cannot be read: %s", file, e.getMessage());
            }
            f.put("sha256", DurableFiles.sha256(file));
        }
        DurableFiles.write(checkpoint.resolve(FILE), Json.pretty(root));
    }

    /** Checks every file against the manifest. */
    static void verify(Path checkpoint) {
        Path manifest = checkpoint.resolve(FILE);
        if (!Files.isRegularFile(manifest)) {
            throw QuernException.failed(
                    "%s: the file is missing, so %s is no whole checkpoint; resume from another one", manifest, checkpoint);
        }
        JsonNode root = Json.read(manifest);
        int format = root.path("format").asInt(-1);
        if (format < 1 || format > FORMAT) {
            throw QuernException.failed(
                    "%s: checkpoint format %s, this build reads 1 to %d; use the build that wrote it",
                    manifest, root.path("format"), FORMAT);
        }
        Set<String> listed = new HashSet<>();
        for (JsonNode f : root.path("files")) {
            String name = f.path("path").asString("");
            Path file = checkpoint.resolve(name).normalize();
            if (!file.startsWith(checkpoint.normalize())) {
                throw QuernException.failed("%s: names '%s', which is outside the checkpoint", manifest, name);
            }
            listed.add(name);
            long expected = f.path("size").asLong(-1);
            try {
                if (!Files.isRegularFile(file)) {
                    throw QuernException.failed(
                            "%s: the file is missing from the checkpoint; resume from another one", file);
                }
                if (Files.size(file) != expected) {
                    throw QuernException.failed(
                            "%s: %d bytes, the manifest says %d; the file is damaged, resume from another checkpoint",
                            file, Files.size(file), expected);
                }
            } catch (IOException e) {
                throw QuernException.failed("%s: cannot be read: %s", file, e.getMessage());
            }
            if (!DurableFiles.sha256(file).equals(f.path("sha256").asString(""))) {
                throw QuernException.failed(
                        "%s: its content does not match the manifest's SHA-256; the file is damaged, resume from another checkpoint",
                        file);
            }
        }
        for (String required : REQUIRED) {
            if (!listed.contains(required)) {
                throw QuernException.failed(
                        "%s: does not list %s; the manifest is damaged, resume from another checkpoint",
                        manifest, required);
            }
        }
        for (String name : files(checkpoint)) {
            if (!listed.contains(name)) {
                throw QuernException.failed(
                        "%s: the manifest does not list this file; take it away, or resume from another checkpoint",
                        checkpoint.resolve(name));
            }
        }
        verifyStep(checkpoint, manifest, root);
    }

    private static void verifyStep(Path checkpoint, Path manifest, JsonNode root) {
        long step = root.path("step").asLong(-1);
        TrainerState state = Checkpoints.readState(checkpoint);
        if (step != state.step) {
            throw QuernException.failed(
                    "%s: step %s, but the trainer's state is of step %d; the manifest is damaged, resume from another checkpoint",
                    manifest, root.path("step"), state.step);
        }
        OptionalLong named = Checkpoints.step(checkpoint.toAbsolutePath().normalize());
        if (named.isPresent() && named.getAsLong() != step) {
            throw QuernException.failed(
                    "%s: holds the checkpoint of step %d; give the folder its name checkpoint-%d back",
                    checkpoint, step, step);
        }
    }

    private static List<String> files(Path checkpoint) {
        TreeSet<String> names = new TreeSet<>();
        try (Stream<Path> all = Files.walk(checkpoint)) {
            all.filter(Files::isRegularFile)
                    .map(f -> checkpoint.relativize(f).toString().replace('\\', '/'))
                    .filter(name -> !name.equals(FILE))
                    .forEach(names::add);
        } catch (IOException e) {
            throw QuernException.failed("%s: cannot be listed: %s", checkpoint, e.getMessage());
        }
        return List.copyOf(names);
    }
}
