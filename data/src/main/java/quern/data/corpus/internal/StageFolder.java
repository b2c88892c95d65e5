package quern.data.corpus.internal;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import quern.data.corpus.StageReport;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * The output of one stage: for each unit of its input (a file of a source, a part of the stage before) some parts, and a
 * mark that is written when they are all on the disk. What has no mark is made again.
 */
final class StageFolder {
    /** Plain bytes after which a part ends, at the end of a batch. */
    static final long PART_BYTES = 48L << 20;

    private static final JsonMapper JSON = JsonMapper.shared();
    private static final String DONE = "stage.json";

    private final Path folder;

    /** A part that is on the disk. */
    record Part(String name, long documents, long bytes) {}

    /** What a unit became. */
    record Unit(List<Part> parts, StageReport report) {}

    StageFolder(Path folder) {
        this.folder = folder;
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(folder, -1, e);
        }
    }

    Path folder() {
        return folder;
    }

    Path file(Part part) {
        return folder.resolve(part.name());
    }

    private Path mark(int unit) {
        return folder.resolve(String.format(Locale.ROOT, "unit-%06d.json", unit));
    }

    /** A unit that was finished before, whose parts are still whole. */
    Optional<Unit> finished(int unit) {
        return read(mark(unit), Unit.class)
                .filter(found -> found.parts().stream().allMatch(this::isThere));
    }

    private boolean isThere(Part part) {
        try {
            return Files.size(file(part)) == part.bytes();
        } catch (IOException e) {
            return false;
        }
    }

    void finish(int unit, Unit made) {
        write(mark(unit), made);
    }

    /** The stage as a whole, where it was finished before. */
    Optional<StageReport> report() {
        return read(folder.resolve(DONE), StageReport.class);
    }

    void finish(StageReport report) {
        write(folder.resolve(DONE), report);
    }

    private static void write(Path file, Object value) {
        DurableFiles.write(file, JSON.writeValueAsString(value).getBytes(StandardCharsets.UTF_8));
    }

    private static <T> Optional<T> read(Path file, Class<T> type) {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JSON.readValue(Files.readString(file), type));
        } catch (JacksonException | IOException e) {
            // A mark that can't be read marks nothing: the unit is made again.
            return Optional.empty();
        }
    }

    /** Writes the parts of one unit. */
    final class Writer implements AutoCloseable {
        private final int unit;
        private final List<Part> parts = new ArrayList<>();
        private FileChannel channel;
        private Path file;
        private long documents;
        private long plainBytes;

        Writer(int unit) {
            this.unit = unit;
        }

        /** Adds a batch; an empty one leaves no trace. */
        void add(PartFile.Frame frame, long count) {
            if (count == 0) {
                return;
            }
            try {
                if (channel == null) {
                    file = folder.resolve(String.format(Locale.ROOT, "unit-%06d-%04d.part", unit, parts.size()));
                    channel = FileChannel.open(
                            file,
                            java.nio.file.StandardOpenOption.CREATE,
                            java.nio.file.StandardOpenOption.TRUNCATE_EXISTING,
                            java.nio.file.StandardOpenOption.WRITE);
                }
                PartFile.write(channel, frame);
                documents += count;
                plainBytes += frame.plainLength();
                if (plainBytes >= PART_BYTES) {
                    endPart();
                }
            } catch (IOException e) {
                throw DurableFiles.writeFailure(file, -1, e);
            }
        }

        private void endPart() throws IOException {
            channel.force(true);
            long size = channel.size();
            channel.close();
            channel = null;
            parts.add(new Part(file.getFileName().toString(), documents, size));
            documents = 0;
            plainBytes = 0;
        }

        /** The parts, all on the disk. */
        List<Part> finish() {
            try {
                if (channel != null) {
                    endPart();
                }
                DurableFiles.fsyncDirectory(folder);
                return List.copyOf(parts);
            } catch (IOException e) {
                throw DurableFiles.writeFailure(folder, -1, e);
            }
        }

        @Override
        public void close() {
            if (channel != null) {
                try {
                    channel.close();
                } catch (IOException e) {
                    throw new QuernException(ExitCode.FAILED, file + ": can not be closed", e);
                }
            }
        }
    }
}
