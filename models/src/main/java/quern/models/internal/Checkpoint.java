package quern.models.internal;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.models.CheckpointKeys;
import quern.models.ModelSpec;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsFolder;

/** The tensors of a model folder by the names their parameters have in memory, checked against the model. */
public final class Checkpoint {
    private static final int NAMED = 10;

    private final SafetensorsFolder files;
    private final Map<String, String> diskNames = new LinkedHashMap<>();
    private final Map<String, Stack> stacks = new HashMap<>();

    /** A parameter that several tensors of the files make up, one after the other. */
    private record Stack(long[] shape, List<String> diskNames) {}

    /**
     * Finds every parameter in the files.
     *
     * @throws QuernException failed when tensors are missing, left over or of another shape
     */
    public Checkpoint(SafetensorsFolder files, ModelSpec.Shapes shapes, CheckpointKeys keys) {
        this.files = files;
        List<String> missing = new ArrayList<>();
        List<String> misshaped = new ArrayList<>();
        Set<String> used = new HashSet<>();
        shapes.parameters().forEach((name, shape) -> {
            List<CheckpointKeys.Part> parts = keys.parts(name, shape);
            if (!parts.isEmpty()) {
                stacks.put(name, new Stack(shape, findParts(keys, parts, used, missing, misshaped)));
                return;
            }
            String disk = find(keys, shapes, name);
            if (disk == null && shapes.optional().contains(name)) {
                return;
            }
            if (disk == null) {
                missing.add(keys.onDisk(name));
                return;
            }
            used.add(disk);
            diskNames.put(name, disk);
            long[] expected = keys.isTransposed(name) ? new long[] {shape[1], shape[0]} : shape;
            long[] found = files.entry(disk).shape();
            if (!Arrays.equals(found, expected)) {
                misshaped.add(
                        "%s is %s, expected %s".formatted(disk, Arrays.toString(found), Arrays.toString(expected)));
            }
        });
        refuse(missing, "%d tensors of the model are missing: %s; is config.json that of these weights?");
        refuse(misshaped, "%d tensors have another shape than config.json says: %s; is it that of these weights?");
        shapes.ties().forEach((tied, owner) -> {
            String disk = find(files, keys, keys.onDisk(tied));
            if (disk != null) {
                used.add(disk);
                checkTied(disk, diskNames.get(owner));
            }
        });
        List<String> extra = new ArrayList<>();
        for (String name : files.names()) {
            if (!used.contains(name) && !keys.isBuffer(name)) {
                extra.add(name);
            }
        }
        refuse(extra, "%d tensors have no place in the model: %s; is config.json that of these weights?");
    }

    /** The tensor of a parameter, under its own name or one that is tied to it; {@code null} when there is none. */
    private List<String> findParts(
            CheckpointKeys keys,
            List<CheckpointKeys.Part> parts,
            Set<String> used,
            List<String> missing,
            List<String> misshaped) {
        List<String> found = new ArrayList<>();
        for (CheckpointKeys.Part part : parts) {
            String disk = find(files, keys, part.name());
            if (disk == null) {
                missing.add(part.name());
                continue;
            }
            used.add(disk);
            found.add(disk);
            long[] shape = files.entry(disk).shape();
            if (!Arrays.equals(shape, part.shape())) {
                misshaped.add(
                        "%s is %s, expected %s".formatted(disk, Arrays.toString(shape), Arrays.toString(part.shape())));
            }
        }
        return found;
    }

    private String find(CheckpointKeys keys, ModelSpec.Shapes shapes, String name) {
        String disk = find(files, keys, keys.onDisk(name));
        if (disk != null) {
            return disk;
        }
        for (Map.Entry<String, String> tie : shapes.ties().entrySet()) {
            if (tie.getValue().equals(name)) {
                disk = find(files, keys, keys.onDisk(tie.getKey()));
                if (disk != null) {
                    return disk;
                }
            }
        }
        return null;
    }

    /** The name under which the files hold it, with or without the base model's prefix; {@code null} when they don't. */
    static String find(SafetensorsFolder files, CheckpointKeys keys, String diskName) {
        if (files.contains(diskName)) {
            return diskName;
        }
        String bare = diskName.startsWith(keys.basePrefix())
                ? diskName.substring(keys.basePrefix().length())
                : diskName;
        if (files.contains(bare)) {
            return bare;
        }
        for (String older : keys.olderNames(diskName)) {
            if (files.contains(older)) {
                return older;
            }
        }
        return null;
    }

    private void checkTied(String tied, String owner) {
        if (tied.equals(owner)) {
            return;
        }
        if (!StoredTies.isSame(files.entry(tied), files.entry(owner))) {
            throw QuernException.failed(
                    "%s: tensor '%s' differs from '%s', which config.json ties it to; set tie_word_embeddings to false there",
                    files.folder(), tied, owner);
        }
    }

    private void refuse(List<String> names, String message) {
        if (names.isEmpty()) {
            return;
        }
        String list = String.join(", ", names.subList(0, Math.min(NAMED, names.size())));
        if (names.size() > NAMED) {
            list += ", …";
        }
        throw QuernException.failed("%s: %s", files.folder(), message.formatted(names.size(), list));
    }

    /** Whether the files hold the parameter; only optional ones may be absent. */
    public boolean contains(String name) {
        return diskNames.containsKey(name) || stacks.containsKey(name);
    }

    /** The tensor of the parameter called {@code name} in memory. */
    public SafetensorsFile.Entry entry(String name) {
        Stack stack = stacks.get(name);
        if (stack != null) {
            return stacked(name, stack);
        }
        return files.entry(diskNames.get(name));
    }

    private SafetensorsFile.Entry stacked(String name, Stack stack) {
        List<SafetensorsFile.Entry> entries =
                stack.diskNames.stream().map(files::entry).toList();
        String dtype = entries.getFirst().dtype();
        long bytes = 0;
        for (SafetensorsFile.Entry e : entries) {
            if (!e.dtype().equals(dtype)) {
                throw QuernException.failed(
                        "%s: tensor '%s' has dtype %s, but '%s', of the same parameter, %s; convert them to one",
                        files.folder(), e.name(), e.dtype(), entries.getFirst().name(), dtype);
            }
            bytes += e.bytes().byteSize();
        }
        MemorySegment all = Arena.ofAuto().allocate(bytes, Long.BYTES);
        long at = 0;
        for (SafetensorsFile.Entry e : entries) {
            MemorySegment.copy(e.bytes(), 0, all, at, e.bytes().byteSize());
            at += e.bytes().byteSize();
        }
        return new SafetensorsFile.Entry(name, dtype, stack.shape, all);
    }

    /** The folder, for messages. */
    public Path folder() {
        return files.folder();
    }
}
