package quern.data.corpus.internal;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import quern.data.corpus.CorpusDocument;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * A file of documents between two stages: batches one after the other, each the lengths of its compressed and its plain
 * bytes (big-endian) and a Zstandard frame of lines with a checksum. So batches can be read and written by any thread.
 */
final class PartFile {
    private static final int LEVEL = 1;
    private static final int BUFFER = 1 << 18;

    private PartFile() {}

    /** A batch as it lies in a file. */
    record Frame(byte[] compressed, int plainLength) {
        long bytes() {
            return compressed.length + 3L * plainLength;
        }
    }

    /** Documents as a batch. */
    static Frame pack(List<CorpusDocument> documents) {
        StringBuilder lines = new StringBuilder();
        for (CorpusDocument document : documents) {
            lines.append(DocumentJson.write(document)).append('\n');
        }
        byte[] plain = lines.toString().getBytes(StandardCharsets.UTF_8);
        try (ZstdCompressCtx context = new ZstdCompressCtx()) {
            context.setLevel(LEVEL).setChecksum(true);
            return new Frame(context.compress(plain), plain.length);
        }
    }

    /** The documents of a batch. */
    static List<CorpusDocument> unpack(Path file, Frame frame) {
        byte[] plain = plain(file, frame);
        List<CorpusDocument> documents = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < plain.length; i++) {
            if (plain[i] == '\n') {
                documents.add(DocumentJson.read(new String(plain, start, i - start, StandardCharsets.UTF_8)));
                start = i + 1;
            }
        }
        return documents;
    }

    /** The lines of a batch. */
    static byte[] plain(Path file, Frame frame) {
        try (ZstdDecompressCtx context = new ZstdDecompressCtx()) {
            byte[] plain = context.decompress(frame.compressed(), frame.plainLength());
            if (plain.length == frame.plainLength()) {
                return plain;
            }
        } catch (ZstdException e) {
            throw corrupt(file, e);
        }
        throw corrupt(file, null);
    }

    static void write(FileChannel channel, Frame frame) throws IOException {
        ByteBuffer head = ByteBuffer.allocate(2 * Integer.BYTES)
                .putInt(frame.compressed().length)
                .putInt(frame.plainLength())
                .flip();
        DurableFiles.writeFully(channel, head);
        DurableFiles.writeFully(channel, ByteBuffer.wrap(frame.compressed()));
    }

    /** Reads the batches of a file in their order. */
    static final class Reader implements AutoCloseable {
        private final Path file;
        private final DataInputStream in;
        private final long size;

        Reader(Path file) {
            this.file = file;
            try {
                this.size = Files.size(file);
                this.in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file), BUFFER));
            } catch (IOException e) {
                throw corrupt(file, e);
            }
        }

        /** The next batch; null at the end. */
        Frame next() {
            try {
                int first = in.read();
                if (first < 0) {
                    return null;
                }
                int length = first << 24 | in.readUnsignedByte() << 16 | in.readUnsignedShort();
                int plain = in.readInt();
                if (length < 0 || length > size || plain < 0 || plain > Zstd.compressBound(Integer.MAX_VALUE / 2)) {
                    throw corrupt(file, null);
                }
                byte[] compressed = new byte[length];
                in.readFully(compressed);
                return new Frame(compressed, plain);
            } catch (EOFException e) {
                throw corrupt(file, e);
            } catch (IOException e) {
                throw new QuernException(ExitCode.FAILED, file + ": can not be read (" + e.getMessage() + ")", e);
            }
        }

        @Override
        public void close() {
            try {
                in.close();
            } catch (IOException e) {
                throw new QuernException(ExitCode.FAILED, file + ": can not be closed (" + e.getMessage() + ")", e);
            }
        }
    }

    static QuernException corrupt(Path file, Exception cause) {
        return new QuernException(
                ExitCode.FAILED,
                "%s: the output of a stage is corrupt; delete the folder %s and run again"
                        .formatted(file, file.getParent()),
                cause);
    }
}
