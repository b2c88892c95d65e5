package quern.tensor;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile.Entry;
import quern.tensor.internal.SafetensorsHeader;
import quern.tensor.internal.SafetensorsIndex;

/**
 * The weights of a Hugging Face model folder, in one {@code model.safetensors} or in shards that {@code
 * model.safetensors.index.json} names, seen as one set of tensors. When a folder has both, the single file counts, as
 * in Hugging Face's loader.
 *
 * <p>An index can't lead out of the folder: names with separators and links that point elsewhere are refused. The one
 * layout of links that is taken is that of Hugging Face's download cache, where {@code snapshots/REVISION} holds links
 * to the files of {@code blobs} beside {@code snapshots}.
 *
 * <p>Entries are valid until {@link #close()}, from any thread.
 */
public final class SafetensorsFolder implements AutoCloseable {
    /** The name of a model's weights when they are one file. */
    public static final String SINGLE_FILE = "model.safetensors";
    /** The name of the index when they are in shards. */
    public static final String INDEX_FILE = "model.safetensors.index.json";

    private static final Pattern SHARD = Pattern.compile("model-\\d{5,}-of-\\d{5,}\\.safetensors");
    private static final Pattern PICKLE = Pattern.compile(".*\\.(bin|pt|pth|ckpt)|pytorch_model\\.bin\\.index\\.json");

    private final Path folder;
    private final List<SafetensorsFile> files;
    private final Map<String, SafetensorsFile> fileOf;

    private SafetensorsFolder(Path folder, List<SafetensorsFile> files, Map<String, SafetensorsFile> fileOf) {
        this.folder = folder;
        this.files = files;
        this.fileOf = fileOf;
    }

    /**
     * Opens the weights of a folder.
     *
     * @throws QuernException bad input when the folder or its weights are missing or are pickle files; failed when the
     *     index or a file is damaged, a shard is missing, or the index names what a shard does not hold
     */
    public static SafetensorsFolder open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw QuernException.badInput(
                    "%s: %s; name a model folder", folder, Files.exists(folder) ? "not a folder" : "no such folder");
        }
        Path single = folder.resolve(SINGLE_FILE);
        if (Files.exists(single, LinkOption.NOFOLLOW_LINKS)) {
            checkInside(folder, single);
            SafetensorsFile file = SafetensorsFile.open(single);
            Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();
            file.names().forEach(name -> fileOf.put(name, file));
            return new SafetensorsFolder(folder, List.of(file), fileOf);
        }
        Path index = folder.resolve(INDEX_FILE);
        if (Files.exists(index, LinkOption.NOFOLLOW_LINKS)) {
            checkInside(folder, index);
            return openShards(folder, index);
        }
        throw noWeights(folder);
    }

    private static SafetensorsFolder openShards(Path folder, Path index) {
        Map<String, String> weightMap = SafetensorsIndex.parse(index, readIndex(index));
        Map<String, SafetensorsFile> shards = new TreeMap<>();
        boolean opened = false;
        try {
            for (String name : weightMap.values()) {
                if (!shards.containsKey(name)) {
                    shards.put(name, openShard(folder, index, name));
                }
            }
            Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();
            weightMap.forEach((tensor, name) -> {
                SafetensorsFile shard = shards.get(name);
                if (!shard.contains(tensor)) {
                    throw QuernException.failed(
                            "%s: tensor '%s' is said to lie in %s, which does not hold it; the index and the shards belong to different models: download or save them again",
                            index, tensor, name);
                }
                fileOf.put(tensor, shard);
            });
            opened = true;
            return new SafetensorsFolder(folder, List.copyOf(shards.values()), fileOf);
        } finally {
            if (!opened) {
                shards.values().forEach(SafetensorsFile::close);
            }
        }
    }

    private static SafetensorsFile openShard(Path folder, Path index, String name) {
        Path shard;
        try {
            shard = folder.resolve(name);
        } catch (InvalidPathException e) {
            throw new QuernException(ExitCode.FAILED, "%s: '%s' can't be a file name".formatted(index, name), e);
        }
        if (!Files.exists(shard, LinkOption.NOFOLLOW_LINKS)) {
            throw QuernException.failed("%s: the shard %s is missing; download or save it again", index, name);
        }
        checkInside(folder, shard);
        return SafetensorsFile.open(shard);
    }

    private static byte[] readIndex(Path index) {
        try {
            if (Files.size(index) > SafetensorsHeader.MAX_HEADER_BYTES) {
                throw QuernException.failed(
                        "%s: %d bytes, at most %d are allowed; this is no index of a model",
                        index, Files.size(index), SafetensorsHeader.MAX_HEADER_BYTES);
            }
            return Files.readAllBytes(index);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: can't be read: %s; check the file and its rights".formatted(index, e.getMessage()),
                    e);
        }
    }

    private static void checkInside(Path folder, Path file) {
        try {
            Path home = folder.toRealPath();
            Path real = file.toRealPath();
            if (home.equals(real.getParent()) || isCacheBlob(home, real)) {
                return;
            }
            throw QuernException.failed(
                    "%s: a link to %s outside the folder; copy the file into the folder if you trust it", file, real);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.FAILED, "%s: a link that leads nowhere; download or copy the file".formatted(file), e);
        }
    }

    /** {@code MODEL/snapshots/REVISION} and {@code MODEL/blobs/HASH}. */
    private static boolean isCacheBlob(Path home, Path real) {
        Path snapshots = home.getParent();
        return snapshots != null
                && snapshots.endsWith("snapshots")
                && real.getParent() != null
                && real.getParent().equals(snapshots.resolveSibling("blobs"));
    }

    private static QuernException noWeights(Path folder) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                String name = String.valueOf(file.getFileName());
                if (PICKLE.matcher(name).matches()) {
                    return QuernException.badInput(
                            "%s: the weights are a pickle (%s), which can run code when read, and there is no %s; in Python load the model and save it with save_pretrained(folder, safe_serialization=True)",
                            folder, name, SINGLE_FILE);
                }
            }
        } catch (IOException e) {
            return new QuernException(ExitCode.FAILED, "%s: can't be listed: %s".formatted(folder, e.getMessage()), e);
        }
        return QuernException.badInput(
                "%s: no weights: neither %s nor %s is there; name a model folder", folder, SINGLE_FILE, INDEX_FILE);
    }

    /**
     * Writes the weights of a model folder, which must exist: {@code model.safetensors} when all fit into one file, else
     * {@code model-00001-of-0000N.safetensors} and an index. Tensors fill shards in the order given; one that is larger
     * than a shard gets its own. Weight files of an earlier form are deleted at the end.
     *
     * <p>Each file is durable and whole, but several files can't change in one step: to replace a model that must
     * survive a crash, write to a new folder and use {@link DurableFiles#replaceDirectory}.
     *
     * @param metadata free text for each file's header, usually {@code format: pt}
     * @param maxShardBytes the most bytes of tensor data in a file, at least 1
     * @throws QuernException as {@link SafetensorsWriter#write}
     */
    public static void write(Path folder, Collection<Entry> tensors, Map<String, String> metadata, long maxShardBytes) {
        if (!Files.isDirectory(folder)) {
            throw QuernException.badInput("%s: no such folder; make it first", folder);
        }
        if (maxShardBytes < 1) {
            throw QuernException.badInput("%s: shards of %d bytes, expected at least 1", folder, maxShardBytes);
        }
        List<List<Entry>> shards = split(tensors, maxShardBytes);
        Set<String> written = new HashSet<>();
        if (shards.size() <= 1) {
            SafetensorsWriter.write(folder.resolve(SINGLE_FILE), tensors, metadata);
            written.add(SINGLE_FILE);
        } else {
            Map<String, String> weightMap = new LinkedHashMap<>();
            for (int i = 0; i < shards.size(); i++) {
                String name = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
                for (Entry tensor : shards.get(i)) {
                    if (weightMap.put(tensor.name(), name) != null) {
                        throw QuernException.failed(
                                "%s: two tensors are named '%s'; names must differ", folder, tensor.name());
                    }
                }
                SafetensorsWriter.write(folder.resolve(name), shards.get(i), metadata);
                written.add(name);
            }
            byte[] index = SafetensorsIndex.format(weightMap, SafetensorsWriter.dataBytes(tensors));
            DurableFiles.write(folder.resolve(INDEX_FILE), index);
            written.add(INDEX_FILE);
        }
        deleteStale(folder, written);
    }

    private static List<List<Entry>> split(Collection<Entry> tensors, long maxShardBytes) {
        List<List<Entry>> shards = new ArrayList<>();
        List<Entry> current = new ArrayList<>();
        long size = 0;
        for (Entry tensor : tensors) {
            long bytes = tensor.bytes().byteSize();
            if (bytes > maxShardBytes) {
                shards.add(List.of(tensor));
                continue;
            }
            if (size + bytes > maxShardBytes) {
                shards.add(current);
                current = new ArrayList<>();
                size = 0;
            }
            current.add(tensor);
            size += bytes;
        }
        if (!current.isEmpty()) {
            shards.add(current);
        }
        return shards;
    }

    private static void deleteStale(Path folder, Set<String> written) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                String name = String.valueOf(file.getFileName());
                boolean weights = name.equals(SINGLE_FILE)
                        || name.equals(INDEX_FILE)
                        || SHARD.matcher(name).matches();
                if (weights && !written.contains(name)) {
                    Files.delete(file);
                }
            }
        } catch (IOException e) {
            throw DurableFiles.writeFailure(folder, -1, e);
        }
        DurableFiles.fsyncDirectory(folder);
    }

    /** The folder. */
    public Path folder() {
        return folder;
    }

    /** The tensors' names: in the order of their data in a single file, in the index's order for shards. */
    public List<String> names() {
        return List.copyOf(fileOf.keySet());
    }

    /** Whether there is a tensor of that name. */
    public boolean contains(String name) {
        return fileOf.containsKey(name);
    }

    /**
     * The tensor of that name, without a copy.
     *
     * @throws QuernException failed when there is none
     */
    public Entry entry(String name) {
        SafetensorsFile file = fileOf.get(name);
        if (file == null) {
            throw QuernException.failed(
                    "%s: no tensor '%s' among its %d; check that the weights belong to this model",
                    folder, name, fileOf.size());
        }
        return file.entry(name);
    }

    /** The free text of the header by name (of the first shard, when there are several). */
    public Map<String, String> metadata() {
        return files.isEmpty() ? Map.of() : files.getFirst().metadata();
    }

    /** Unmaps all files. A second call does nothing. */
    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }
}
