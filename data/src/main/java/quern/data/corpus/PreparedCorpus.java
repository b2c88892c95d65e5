package quern.data.corpus;

import com.github.luben.zstd.ZstdOutputStreamNoFinalizer;
import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import quern.data.corpus.internal.PreparedFolder;
import quern.data.internal.PreparedFiles;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Writes prepared folders, for an engine that writes their parts in different places. */
public final class PreparedCorpus {
    private static final int LEVEL = 3;
    private static final int BUFFER = 1 << 18;

    private PreparedCorpus() {}

    /** Makes the folder of the shards empty and takes away what described it. */
    public static void begin(Path output) {
        Path documents = output.resolve(PreparedFiles.DOCUMENTS);
        try {
            Files.deleteIfExists(output.resolve(PreparedFiles.NAME));
            DurableFiles.deleteTree(documents);
            Files.createDirectories(documents);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(output, -1, e);
        }
    }

    /**
     * Writes documents, each as a line of JSON, as a shard in one Zstandard frame with a checksum, until they or the room
     * end. The file appears when it is whole, in the place of one of that name.
     *
     * @param name of the shard without its ending; shards are read in the order of their names
     * @param lines of documents, at least one
     * @param limit plain bytes after which the shard ends
     */
    public static PrepareReport.Shard shard(Path output, String name, Iterator<String> lines, long limit) {
        String place = PreparedFiles.DOCUMENTS + "/" + name + ".jsonl.zst";
        Path file = output.resolve(place);
        long[] counts = new long[2];
        DurableFiles.write(file, -1, channel -> {
            try (ZstdOutputStreamNoFinalizer zstd =
                            new ZstdOutputStreamNoFinalizer(new Unclosed(Channels.newOutputStream(channel)), LEVEL);
                    OutputStream out = new BufferedOutputStream(zstd.setChecksum(true), BUFFER)) {
                while (lines.hasNext() && counts[1] < limit) {
                    byte[] line = (lines.next() + "\n").getBytes(StandardCharsets.UTF_8);
                    out.write(line);
                    counts[0]++;
                    counts[1] += line.length;
                }
            }
        });
        try {
            return new PrepareReport.Shard(place, counts[0], counts[1], Files.size(file), DurableFiles.sha256(file));
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, file + ": can not be read (" + e.getMessage() + ")", e);
        }
    }

    /** Writes what describes the folder, {@code prepared.json} and the report, once its shards are there. */
    public static void end(Path output, PrepareReport report) {
        PreparedFolder.describe(output, report);
    }

    /** The report alone, of a preparation that left nothing. */
    public static void nothingLeft(PreparePlan plan, List<StageReport> stages) {
        Path output = plan.recipe().outputDir();
        try {
            Files.createDirectories(output);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(output, -1, e);
        }
        PreparedFolder.writeReport(plan, stages);
    }

    /** The channel is forced to the disk after its last byte, so it stays open here. */
    private static final class Unclosed extends FilterOutputStream {
        Unclosed(OutputStream out) {
            super(new BufferedOutputStream(out, BUFFER));
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            out.write(bytes, from, length);
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }
}
