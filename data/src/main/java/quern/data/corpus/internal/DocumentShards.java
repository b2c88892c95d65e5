package quern.data.corpus.internal;

import com.github.luben.zstd.ZstdOutputStreamNoFinalizer;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import quern.data.corpus.PrepareReport;
import quern.data.internal.PreparedFiles;
import quern.recipe.DurableFiles;

/** Writes lines of documents into shards of bounded plain size, each one Zstandard frame with a checksum. */
final class DocumentShards implements AutoCloseable {
    private static final int LEVEL = 3;
    private static final int BUFFER = 1 << 18;

    private final Path folder;
    private final long limit;
    private final List<PrepareReport.Shard> shards = new ArrayList<>();
    private Path file;
    private OutputStream out;
    private long plainBytes;
    private long documents;

    DocumentShards(Path folder, long limit) {
        this.folder = folder;
        this.limit = limit;
    }

    /** Adds whole lines. */
    void add(byte[] lines) {
        try {
            int start = 0;
            for (int i = 0; i < lines.length; i++) {
                if (lines[i] == '\n') {
                    int length = i + 1 - start;
                    if (out != null && plainBytes + length > limit) {
                        endShard();
                    }
                    if (out == null) {
                        begin();
                    }
                    out.write(lines, start, length);
                    plainBytes += length;
                    documents++;
                    start = i + 1;
                }
            }
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }

    private void begin() throws IOException {
        file = folder.resolve(String.format(Locale.ROOT, "part-%05d.jsonl.zst", shards.size()));
        ZstdOutputStreamNoFinalizer zstd =
                new ZstdOutputStreamNoFinalizer(new BufferedOutputStream(Files.newOutputStream(file), BUFFER), LEVEL);
        zstd.setChecksum(true);
        out = new BufferedOutputStream(zstd, BUFFER);
        plainBytes = 0;
        documents = 0;
    }

    private void endShard() throws IOException {
        out.close();
        out = null;
        shards.add(new PrepareReport.Shard(
                PreparedFiles.DOCUMENTS + "/" + file.getFileName(),
                documents,
                plainBytes,
                Files.size(file),
                DurableFiles.sha256(file)));
    }

    /** Ends the last shard; gives all of them. */
    List<PrepareReport.Shard> finish() {
        try {
            if (out != null) {
                endShard();
            }
            return List.copyOf(shards);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }

    @Override
    public void close() {
        if (out != null) {
            try {
                out.close();
            } catch (IOException e) {
                throw DurableFiles.writeFailure(file, -1, e);
            }
        }
    }
}
