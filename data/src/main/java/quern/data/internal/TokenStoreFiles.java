package quern.data.internal;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import quern.data.DataConfig;
import quern.data.DocumentReport;
import quern.data.Documents;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;

/** Names, finds, makes and opens the folders of token stores. */
public record TokenStoreFiles(Path folder, TokenStream train, TokenStream validation, DocumentReport report) {
    static final String DESCRIPTION = "store.json";
    private static final String TOKENS = "tokens";
    /** Goes into the name of every store; a change of the layout or of the split must raise it. */
    static final int FORMAT = 3;

    /** A file lock belongs to the process, so threads of one process wait for each other here. */
    private static final ConcurrentHashMap<Path, Object> IN_PROCESS = new ConcurrentHashMap<>();

    private static final int EDGE = 1 << 16;

    /** Opens a store, making it first where it is missing. */
    public static TokenStoreFiles prepare(
            DataConfig config, Tokenizer tokenizer, Path cacheFolder, Consumer<String> progress) {
        Documents documents = Documents.open(config, tokenizer.chatTemplate());
        String key = key(config, tokenizer, documents.files());
        Path folder = prepared(config, key).orElse(cacheFolder.resolve(TOKENS).resolve(key));
        if (!Files.exists(folder)) {
            make(config, tokenizer, documents, folder, key, progress);
        }
        return open(config, documents, folder);
    }

    /** The store that a prepared folder brings along, where its settings are those asked for. */
    private static Optional<Path> prepared(DataConfig config, String key) {
        return config.path().stream()
                .map(entry -> Path.of(entry).resolve(TOKENS).resolve(key))
                .filter(Files::isDirectory)
                .findFirst();
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
                    DurableFiles.deleteTree(unfinished);
                    Files.createDirectory(unfinished);
                    try {
                        new TokenStoreBuilder(config, tokenizer, documents, unfinished, progress).build();
                        if (!key(config, tokenizer, documents.files()).equals(key)) {
                            throw QuernException.failed(
                                    "data.path: a source file changed while it was read; run again when it is complete");
                        }
                        DurableFiles.fsyncDirectory(unfinished);
                        Files.move(unfinished, folder, StandardCopyOption.ATOMIC_MOVE);
                        DurableFiles.fsyncDirectory(folder.getParent());
                    } catch (IOException | RuntimeException e) {
                        try {
                            DurableFiles.deleteTree(unfinished);
                        } catch (QuernException left) {
                            // The next attempt deletes it; what matters to the person is why this one failed.
                            e.addSuppressed(left);
                        }
                        throw e;
                    }
                }
            } catch (IOException e) {
                throw DurableFiles.writeFailure(folder, -1, e);
            }
        }
    }

    private static TokenStoreFiles open(DataConfig config, Documents documents, Path folder) {
        Path description = folder.resolve(DESCRIPTION);
        if (!Files.exists(description)) {
            throw QuernException.failed(
                    "%s: the token store is corrupt (%s is missing); delete the folder and run again to rebuild it",
                    folder, DESCRIPTION);
        }
        JsonNode store = Json.parse(description, Json.read(description));
        JsonNode report = store.path("report");
        long count = report.path("documents").asLong(0);
        boolean prompts = store.path("prompts").asBoolean(false);
        Split split = Split.of(config, count, prompts);
        return new TokenStoreFiles(
                folder,
                new MappedTokenStream(folder, "train", store, i -> split.place(documents, i, false)),
                new MappedTokenStream(folder, "validation", store, i -> split.place(documents, i, true)),
                new DocumentReport(
                        count,
                        report.path("empty_documents").asLong(0),
                        report.path("characters").asLong(0),
                        report.path("bytes").asLong(0),
                        report.path("replaced_sequences").asLong(0),
                        report.path("rejected_rows").asLong(0),
                        report.path("rejections")
                                .valueStream()
                                .map(line -> line.asString(""))
                                .toList()));
    }

    private static String key(DataConfig config, Tokenizer tokenizer, List<Path> files) {
        Hash hash = new Hash()
                .add("format")
                .add(FORMAT)
                .add(config.source())
                .add(config.field())
                .add(config.format())
                .add(tokenizer.chatTemplateText())
                .add(config.textUnit())
                .add(config.validationShare())
                .add(config.validationSeed())
                .add(config.documentSeparator())
                .add(config.promptTemplates())
                .add(tokenizer.fingerprint())
                .add(tokenizer.endOfText());
        if (config.source().isPresent()) {
            hash.add(config.talesMegabytes()).add(config.talesSeed()).add(TaleWriter.EDITION);
            hash.add(config.shapesPairs()).add(config.shapesSeed()).add(Scene.EDITION);
        }
        if (config.source().filter(DataConfig.GRID_WORLD::equals).isPresent()) {
            hash.add(config.gridEpisodes()).add(config.gridSeed()).add(GridEpisode.EDITION);
        }
        if (config.imageFolder().isPresent()) {
            hash.add(ImageFolder.open(config).fingerprint());
        }
        for (Path file : files) {
            addFile(hash, file);
        }
        return hash.hex().substring(0, 32);
    }

    /** Hashing a large corpus whole would cost as much as reading it, so its size, time, head and tail stand for it. */
    private static void addFile(Hash hash, Path file) {
        Optional<String> checksum = PreparedFiles.checksum(file);
        if (checksum.isPresent()) {
            // A prepared folder may be moved.
            hash.add(file.getFileName()).add(checksum.get());
            return;
        }
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
