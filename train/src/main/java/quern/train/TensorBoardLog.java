package quern.train;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.zip.CRC32C;
import quern.recipe.DurableFiles;

/**
 * Scalars in TensorBoard's event-file format: records of TFRecord framing (length, masked CRC-32C of the length, data,
 * masked CRC-32C of the data), each an {@code Event} message of tensorboard's {@code event.proto}. Metrics that begin
 * with {@code eval_} appear under {@code eval/}, the others under {@code train/}, as Hugging Face's Trainer writes them.
 */
final class TensorBoardLog implements TrainingHook, AutoCloseable {
    private static final int WIRE_VARINT = 0;
    private static final int WIRE_64 = 1;
    private static final int WIRE_BYTES = 2;
    private static final int WIRE_32 = 5;

    private final Path file;
    private final FileChannel channel;

    /**
     * Starts a new event file in {@code folder}.
     *
     * @param resumedStep the step that training goes on from; what older files say of later steps is withdrawn
     */
    TensorBoardLog(Path folder, long resumedStep) {
        file = freeName(folder);
        try {
            Files.createDirectories(folder);
            channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
        // Field 3 of an Event: file_version.
        write(event(0, bytesField(3, "brain.Event:2".getBytes(StandardCharsets.UTF_8))));
        if (resumedStep > 0) {
            // Field 7 of an Event: session_log, whose field 1 is the status; START is 1.
            ByteArrayOutputStream started = new ByteArrayOutputStream();
            started.writeBytes(key(1, WIRE_VARINT));
            started.writeBytes(varint(1));
            write(event(resumedStep + 1, bytesField(7, started.toByteArray())));
        }
    }

    /** TensorBoard reads the files of a folder in the order of their names. */
    private static Path freeName(Path folder) {
        long seconds = System.currentTimeMillis() / 1000;
        Path name;
        int number = 0;
        do {
            name = folder.resolve("events.out.tfevents.%d.%d.%d.quern"
                    .formatted(seconds, ProcessHandle.current().pid(), number++));
        } while (Files.exists(name));
        return name;
    }

    @Override
    public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
        ByteArrayOutputStream summary = new ByteArrayOutputStream();
        metrics.forEach((name, value) -> {
            String tag = name.startsWith("eval_") ? "eval/" + name.substring(5) : "train/" + name;
            ByteArrayOutputStream v = new ByteArrayOutputStream();
            // Summary.Value: tag = 1, simple_value = 2.
            v.writeBytes(bytesField(1, tag.getBytes(StandardCharsets.UTF_8)));
            v.writeBytes(key(2, WIRE_32));
            v.writeBytes(little(4).putFloat(value.floatValue()).array());
            // Summary: repeated Value value = 1.
            summary.writeBytes(bytesField(1, v.toByteArray()));
        });
        // Field 5 of an Event: summary.
        write(event(progress.step(), bytesField(5, summary.toByteArray())));
    }

    private static byte[] event(long step, byte[] what) {
        ByteArrayOutputStream event = new ByteArrayOutputStream();
        event.writeBytes(key(1, WIRE_64));
        event.writeBytes(little(8).putDouble(System.currentTimeMillis() / 1e3).array());
        event.writeBytes(key(2, WIRE_VARINT));
        event.writeBytes(varint(step));
        event.writeBytes(what);
        return event.toByteArray();
    }

    private void write(byte[] data) {
        byte[] length = little(8).putLong(data.length).array();
        ByteBuffer record = little(8 + 4 + data.length + 4);
        record.put(length).putInt(masked(length)).put(data).putInt(masked(data)).flip();
        try {
            DurableFiles.writeFully(channel, record);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, record.capacity(), e);
        }
    }

    private static int masked(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        int c = (int) crc.getValue();
        return ((c >>> 15) | (c << 17)) + 0xa282ead8;
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] key(int field, int wire) {
        return varint((long) field << 3 | wire);
    }

    private static byte[] bytesField(int field, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(key(field, WIRE_BYTES));
        out.writeBytes(varint(content.length));
        out.writeBytes(content);
        return out.toByteArray();
    }

    private static byte[] varint(long value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        long v = value;
        while ((v & ~0x7FL) != 0) {
            out.write((int) (v & 0x7F | 0x80));
            v >>>= 7;
        }
        out.write((int) v);
        return out.toByteArray();
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }
}
