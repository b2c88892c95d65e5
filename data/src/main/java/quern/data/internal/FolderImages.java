package quern.data.internal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import quern.data.ImageFiles;
import quern.data.Objective;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * The images of a folder, resized once into a file of the cache, which tells which of them can be read, and read from there. The
 * name of that file is made from the names, sizes and times of change of the images.
 */
public final class FolderImages implements ImageSource {
    /** Changes with how images are read and resized. */
    private static final int EDITION = 1;

    private static final int AT_ONCE = 64;
    private static final byte READABLE = 1;
    private static final double WHITE = 255;

    private final Path file;
    private final int record;
    private final int perBuffer;
    private final List<MappedByteBuffer> buffers = new ArrayList<>();
    private final int[] rowOf;
    private final Rejections rejections = new Rejections();

    /**
     * The images of the documents of one of a corpus' two parts.
     *
     * @param validation whether it is the part that is held out
     * @throws QuernException bad input where no image can be read
     */
    public FolderImages(Objective.Input input, int side, boolean validation) {
        ImageFolder folder = ImageFolder.open(input.data());
        List<ImageFolder.Row> rows = folder.rows();
        Split split = Split.of(input.data(), rows.size(), false);
        this.rowOf = IntStream.range(0, rows.size())
                .filter(i -> split.isHeldOut(i) == validation)
                .toArray();
        if (rowOf.length != input.tokens().documents()) {
            throw QuernException.failed(
                    "%s: %,d images, but %,d captions; the folder changed while it was read, so run again",
                    input.data().imageFolder().orElseThrow(),
                    rowOf.length,
                    input.tokens().documents());
        }
        this.record = 1 + CHANNELS * side * side;
        this.perBuffer = (1 << 30) / record;
        this.file = CacheFolder.locate().resolve("images").resolve(key(folder, side) + ".rgb");
        try {
            if (!Files.exists(file) || Files.size(file) != (long) record * rows.size()) {
                Files.createDirectories(file.getParent());
                DurableFiles.write(file, (long) record * rows.size(), channel -> write(channel, rows, side));
            }
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                for (int from = 0; from < rows.size(); from += perBuffer) {
                    long size = (long) record * Math.min(perBuffer, rows.size() - from);
                    buffers.add(channel.map(MapMode.READ_ONLY, (long) record * from, size));
                }
            }
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, "%s: can't be used (%s)".formatted(file, e.getMessage()), e);
        }
        for (int row : rowOf) {
            if (!isReadable(row)) {
                ImageFolder.Row bad = rows.get(row);
                rejections.add("an image that can't be read", bad.image().toString());
            }
        }
        if (rejections.rows() == rowOf.length) {
            throw QuernException.badInput(
                    "data.image_folder: %s: none of %,d images can be read as PNG or JPEG",
                    input.data().imageFolder().orElseThrow(), rowOf.length);
        }
    }

    private static String key(ImageFolder folder, int side) {
        Hash hash = new Hash().add(EDITION).add(side).add(folder.fingerprint());
        try {
            for (ImageFolder.Row row : folder.rows()) {
                hash.add(Files.size(row.image()))
                        .add(Files.getLastModifiedTime(row.image()).toMillis());
            }
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.FAILED, "data.image_folder: %s: can't be read".formatted(e.getMessage()), e);
        }
        return hash.hex().substring(0, 32);
    }

    private static void write(FileChannel channel, List<ImageFolder.Row> rows, int side) throws IOException {
        int values = CHANNELS * side * side;
        for (int from = 0; from < rows.size(); from += AT_ONCE) {
            List<ImageFolder.Row> some = rows.subList(from, Math.min(rows.size(), from + AT_ONCE));
            ByteBuffer block = ByteBuffer.allocate(some.size() * (1 + values));
            some.parallelStream().map(row -> bytes(row, side)).toList().forEach(image -> {
                block.put(image == null ? 0 : READABLE);
                block.put(image == null ? new byte[values] : image);
            });
            block.flip();
            while (block.hasRemaining()) {
                channel.write(block);
            }
        }
    }

    private static byte[] bytes(ImageFolder.Row row, int side) {
        try {
            return ImageFiles.read(row.image(), side);
        } catch (ImageFiles.Unreadable e) {
            return null;
        }
    }

    private boolean isReadable(int row) {
        return buffers.get(row / perBuffer).get(row % perBuffer * record) == READABLE;
    }

    @Override
    public boolean has(long document) {
        return isReadable(rowOf[(int) document]);
    }

    @Override
    public void paint(long document, long key, float[] into, int from) {
        int row = rowOf[(int) document];
        ByteBuffer buffer = buffers.get(row / perBuffer);
        int at = row % perBuffer * record + 1;
        for (int i = 0; i < record - 1; i++) {
            into[from + i] = (float) (2 * ((buffer.get(at + i) & 0xff) / WHITE) - 1);
        }
    }

    @Override
    public List<String> notices() {
        return rejections.lines();
    }
}
