package quern.data.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import quern.data.corpus.PrepareReport;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * What {@code prepared.json} says of a prepared folder. It is written after the files it names and deleted before they
 * change.
 *
 * @param key of the documents
 * @param tokenizerKey of the tokenizer; empty where there is none
 * @param shards of the documents, in order
 */
public record PreparedFiles(String key, String tokenizerKey, List<PrepareReport.Shard> shards) {
    /** The file's name. */
    public static final String NAME = "prepared.json";
    /** The folder of the shards. */
    public static final String DOCUMENTS = "documents";

    /** Reads it; empty where there is none that can be read. */
    public static Optional<PreparedFiles> read(Path folder) {
        Path file = folder.resolve(NAME);
        if (!Files.isRegularFile(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JsonMapper.shared().readValue(Files.readString(file), PreparedFiles.class))
                    .filter(PreparedFiles::isSound);
        } catch (JacksonException | IOException e) {
            // Without it the folder is one of plain .jsonl files.
            return Optional.empty();
        }
    }

    /** Whether the shards are named as they are written, so that no name leads out of the folder. */
    private boolean isSound() {
        return shards != null
                && shards.stream()
                        .allMatch(shard -> shard != null
                                && shard.name() != null
                                && shard.name().matches(DOCUMENTS + "/[A-Za-z0-9._-]+"));
    }

    /** Whether every shard is there with its size. */
    public boolean isWhole(Path folder) {
        return shards.stream().allMatch(shard -> has(folder.resolve(shard.name()), shard));
    }

    private static boolean has(Path file, PrepareReport.Shard shard) {
        try {
            return Files.size(file) == shard.bytes();
        } catch (IOException e) {
            return false;
        }
    }

    /** The checksum of a shard of a prepared folder; empty for any other file. */
    static Optional<String> checksum(Path file) {
        Path folder = file.toAbsolutePath().normalize().getParent();
        if (folder == null || !folder.endsWith(DOCUMENTS) || folder.getParent() == null) {
            return Optional.empty();
        }
        String name = DOCUMENTS + "/" + file.getFileName();
        return read(folder.getParent()).stream()
                .flatMap(found -> found.shards().stream())
                .filter(shard -> shard.name().equals(name) && has(file, shard))
                .map(PrepareReport.Shard::sha256)
                .findFirst();
    }
}
