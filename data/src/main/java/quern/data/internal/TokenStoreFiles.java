package quern.data.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import quern.data.DataConfig;
import quern.data.DocumentReport;
import quern.data.Documents;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;

/** Names, finds, makes and opens the folders of token stores. */
public record TokenStoreFiles(Path folder, TokenStream train, TokenStream validation, DocumentReport report) {
    static final String DESCRIPTION = "store.json";
    /** Goes into the name of every store; a change of the layout or of the split must raise it. */
    static final int FORMAT = 1;

    /** A file lock belongs to the process, so threads of one process wait for each other here. */
    private static final ConcurrentHashMap<Path, Object> IN_PROCESS = new ConcurrentHashMap<>();

    private static final int EDGE = 1 << 16;

    /** Opens a store, making it first where it is missing. */
    public static TokenStoreFiles prepare(
            DataConfig config, Tokenizer tokenizer, Path cacheFolder, Consumer<String> progress) {
        Documents documents = Documents.open(config);
        String key = key(config, tokenizer, documents.files());
        Path folder = cacheFolder.resolve("tokens").resolve(key);
        if (!Files.exists(folder)) {
            make(config, tokenizer, documents, folder, key, progress);
        }
        return open(folder);
    }

    private static void make(
            DataConfig config,
            Tokenizer tokenizer,
            Documents documents,
            Path folder,
            String key,
            Consumer<String> progress) {
        Path name = folder.toAbsolutePath().normalize();
        synchronized (IN_PROCESS.computeIfAbsent(name, n -> new Object())) {
            try {
                Files.createDirectories(folder.getParent());
                Path lockFile = folder.resolveSibling(folder.getFileName() + ".lock");
                try (FileChannel channel =
                                FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                        FileLock lock = channel.lock()) {
                    if (!lock.isValid() || Files.exists(folder)) {
                        return;
                    }
                    Path unfinished = folder.resolveSibling(folder.getFileName() + ".unfinished");
                    // Only a process that died holding the lock can have left one.
                    delete(unfinished);
                    Files.createDirectory(unfinished);
                    try {
                        new TokenStoreBuilder(config, tokenizer, documents, unfinished, progress).build();
                        if (!key(config, tokenizer, documents.files()).equals(key)) {
                            throw QuernException.failed(
                                    "data.path: a source file changed while it was read; run again when it is complete");
                        }
                        sync(unfinished);
                        Files.move(unfinished, folder, StandardCopyOption.ATOMIC_MOVE);
                        sync(folder.getParent());
                    } finally {
                        delete(unfinished);
                    }
                }
            } catch (IOException e) {
                throw writeFailure(folder, e);
            }
        }
    }

    private static QuernException writeFailure(Path folder, IOException e) {
        String why = String.valueOf(e.getMessage());
        if (e instanceof FileSystemException fs && fs.getReason() != null) {
            why = fs.getReason();
        }
        if (why.toLowerCase(Locale.ROOT).contains("no space left")) {
            long free = 0;
            try {
                free = Files.getFileStore(folder.getParent()).getUsableSpace();
            } catch (IOException unknown) {
                e.addSuppressed(unknown);
            }
            return new QuernException(
                    ExitCode.REFUSED,
                    "%s: the disk is full (%,d bytes free) and the token store does not fit; free some space or set"
                                    .formatted(folder, free)
                            + " QUERN_CACHE to a folder on a larger disk",
                    e);
        }
        return new QuernException(
                ExitCode.FAILED,
                "%s: the token store can not be written (%s); check the folder or set QUERN_CACHE"
                        .formatted(folder, why),
                e);
    }

    private static void sync(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.list(folder)) {
            files.forEach(file -> {
                try {
                    Files.delete(file);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        Files.delete(folder);
    }

    private static TokenStoreFiles open(Path folder) {
        Path description = folder.resolve(DESCRIPTION);
        if (!Files.exists(description)) {
            throw QuernException.failed(
                    "%s: the token store is corrupt (%s is missing); delete the folder and run again to rebuild it",
                    folder, DESCRIPTION);
        }
        JsonNode store = Json.parse(description, Json.read(description));
        JsonNode report = store.path("report");
        return new TokenStoreFiles(
                folder,
                new MappedTokenStream(folder, "train", store),
                new MappedTokenStream(folder, "validation", store),
                new DocumentReport(
                        report.path("documents").asLong(0),
                        report.path("empty_documents").asLong(0),
                        report.path("characters").asLong(0),
                        report.path("bytes").asLong(0),
                        report.path("replaced_sequences").asLong(0)));
    }

    private static String key(DataConfig config, Tokenizer tokenizer, List<Path> files) {
        Hash hash = new Hash()
                .add("format")
                .add(FORMAT)
                .add(config.source())
                .add(config.field())
                .add(config.textUnit())
                .add(config.validationShare())
                .add(config.validationSeed())
                .add(config.documentSeparator())
                .add(tokenizer.fingerprint())
                .add(tokenizer.endOfText());
        if (config.source().isPresent()) {
            hash.add(config.talesMegabytes()).add(config.talesSeed()).add(TaleWriter.EDITION);
        }
        for (Path file : files) {
            addFile(hash, file);
        }
        return hash.hex().substring(0, 32);
    }

    /** Hashing a large corpus whole would cost as much as reading it, so its size, time, head and tail stand for it. */
    private static void addFile(Hash hash, Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            hash.add(file.toAbsolutePath().normalize())
                    .add(size)
                    .add(Files.getLastModifiedTime(file).toMillis());
            for (long at : new long[] {0, Math.max(0, size - EDGE)}) {
                java.nio.ByteBuffer edge = java.nio.ByteBuffer.allocate((int) Math.min(EDGE, size));
                while (edge.hasRemaining() && channel.read(edge, at + edge.position()) >= 0) {
                    // Until the edge is full or the file ends.
                }
                hash.add(edge.array());
            }
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, file + ": can not be read (" + e.getMessage() + ")", e);
        }
    }
}
