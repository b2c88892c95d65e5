package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.TextUnit;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Endless lines and decompression bombs end in an error, in bounded memory. */
class SourceLimitsTest {
    private static final int LIMIT = 1 << 16;

    @TempDir
    Path folder;

    /** A gigabyte of one letter, made as it is read. */
    private static InputStream gigabyte(String start) {
        return new InputStream() {
            private long left = 1L << 30;
            private int at;

            @Override
            public int read() {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0];
            }

            @Override
            public int read(byte[] into, int offset, int length) {
                if (left == 0) {
                    return -1;
                }
                int n = (int) Math.min(left, length);
                Arrays.fill(into, offset, offset + n, (byte) 'a');
                for (int i = 0; i < n && at < start.length(); i++) {
                    into[offset + i] = (byte) start.charAt(at++);
                }
                left -= n;
                return n;
            }
        };
    }

    private static void refused(DocumentReader reader, String... parts) {
        QuernException error = assertThrows(QuernException.class, () -> {
            while (reader.next() != null) {
                // Until it ends or is refused.
            }
        });
        assertEquals(ExitCode.FAILED, error.exitCode());
        for (String part : parts) {
            assertTrue(error.getMessage().contains(part), error.getMessage());
        }
    }

    @Test
    void anEndlessLineIsRefused() {
        Path file = Path.of("endless");
        String row = "{\"text\":\"a\"}\n{\"text\":\"";
        refused(
                new JsonLinesReader(
                        file, gigabyte(row), "text", Optional.empty(), Optional.empty(), Optional.empty(), LIMIT),
                "endless:2",
                "65,536 bytes");
        refused(new TextUnitReader(file, gigabyte("a\n"), TextUnit.LINE, LIMIT), "endless:2", "line of more than");
        refused(
                new TextUnitReader(file, gigabyte("a\n"), TextUnit.PARAGRAPH, LIMIT),
                "endless:1",
                "paragraph of more than");
    }

    @Test
    void aGigabyteWithoutALineEndIsReadInPieces() {
        WholeTextReader reader = new WholeTextReader(Path.of("endless"), gigabyte(""), 1 << 20);
        long characters = 0;
        for (var piece = reader.next(); piece != null; piece = reader.next()) {
            assertTrue(piece.text().length() <= 1 << 20);
            characters += piece.text().length();
        }
        assertEquals(1L << 30, characters);
    }

    @Test
    void aBombIsRefused() throws IOException {
        Path file = folder.resolve("bomb.txt.gz");
        byte[] block = new byte[1 << 20];
        Arrays.fill(block, (byte) 'a');
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            for (int i = 0; i < 16; i++) {
                out.write(block);
            }
        }
        QuernException error = assertThrows(QuernException.class, () -> {
            try (SourceStream in = SourceStream.open(file, 4 << 20)) {
                in.transferTo(OutputStream.nullOutputStream());
            }
        });
        assertTrue(error.getMessage().contains("decompression bomb"), error.getMessage());
        try (SourceStream in = SourceStream.open(file, 32 << 20)) {
            assertEquals(
                    16L << 20, in.transferTo(OutputStream.nullOutputStream()), "below the floor any ratio is fine");
        }
    }
}
