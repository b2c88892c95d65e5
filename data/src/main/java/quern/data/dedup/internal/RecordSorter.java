package quern.data.dedup.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import quern.recipe.DurableFiles;

/**
 * Sorts records of a few 64-bit numbers (signed, the first counts most) that need not fit in memory: parts are sorted in
 * memory and written, then merged. Takes any number of records and a given amount of memory. For one thread.
 */
public final class RecordSorter implements AutoCloseable {
    private static final int LEAST_RECORDS = 1024;
    private static final int SHORT_RUN = 8;
    private static final int MOST_RUNS = 64;
    private static final int BUFFER_BYTES = 1 << 16;

    private final Path folder;
    private final String name;
    private final int width;
    private final int capacity;
    private long[] records;
    private int count;
    private long total;
    private final List<Path> runs = new ArrayList<>();
    private int runsMade;

    /**
     * @param folder for spills
     * @param name of its files, unlike that of others there
     * @param width numbers in a record
     * @param memoryBytes to use, about
     */
    public RecordSorter(Path folder, String name, int width, long memoryBytes) {
        this.folder = folder;
        this.name = name;
        this.width = width;
        // Sorting takes as much again.
        long fit = memoryBytes / (2L * Long.BYTES * width);
        this.capacity = (int) Math.max(LEAST_RECORDS, Math.min(fit, (1 << 28) / width));
        this.records = new long[Math.min(capacity, LEAST_RECORDS) * width];
    }

    /** Adds a copy of a record. */
    public void add(long[] record) {
        if (count == capacity) {
            spill();
        } else if ((count + 1) * width > records.length) {
            long more = Math.min(2L * records.length, (long) capacity * width);
            records = java.util.Arrays.copyOf(records, (int) more);
        }
        System.arraycopy(record, 0, records, count * width, width);
        count++;
        total++;
    }

    /** How many records were added. */
    public long size() {
        return total;
    }

    /** All records in order; nothing may be added any more. */
    public Cursor sorted() {
        if (runs.isEmpty()) {
            long[] sorted = sort(records, count, width);
            records = null;
            return new Memory(sorted, count, width);
        }
        spill();
        records = null;
        while (runs.size() > MOST_RUNS) {
            List<Path> first = new ArrayList<>(runs.subList(0, MOST_RUNS));
            Path merged = newRun();
            try (Merge merge = new Merge(first, width);
                    RunWriter writer = new RunWriter(merged)) {
                long[] record = new long[width];
                while (merge.next(record)) {
                    writer.write(record, 0, width);
                }
            }
            runs.subList(0, MOST_RUNS).clear();
            runs.add(merged);
            first.forEach(RecordSorter::delete);
        }
        return new Merge(runs, width);
    }

    /** Deletes the spills. */
    @Override
    public void close() {
        records = null;
        runs.forEach(RecordSorter::delete);
        runs.clear();
    }

    /** Records in order. */
    public interface Cursor extends AutoCloseable {
        /** Fills {@code record} with the next one; false at the end. */
        boolean next(long[] record);

        @Override
        void close();
    }

    private void spill() {
        if (count == 0) {
            return;
        }
        long[] sorted = sort(records, count, width);
        Path run = newRun();
        runs.add(run);
        try (RunWriter writer = new RunWriter(run)) {
            writer.write(sorted, 0, count * width);
        }
        count = 0;
    }

    private Path newRun() {
        return folder.resolve(name + "-" + runsMade++ + ".run");
    }

    private static void delete(Path run) {
        try {
            Files.deleteIfExists(run);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sorts the first {@code count} records by merging; gives the array that holds the outcome. */
    static long[] sort(long[] records, int count, int width) {
        long[] held = new long[width];
        for (int from = 0; from < count; from += SHORT_RUN) {
            int to = Math.min(count, from + SHORT_RUN);
            for (int i = from + 1; i < to; i++) {
                int j = i;
                System.arraycopy(records, i * width, held, 0, width);
                while (j > from && compare(records, (j - 1) * width, held, 0, width) > 0) {
                    System.arraycopy(records, (j - 1) * width, records, j * width, width);
                    j--;
                }
                System.arraycopy(held, 0, records, j * width, width);
            }
        }
        if (count <= SHORT_RUN) {
            return records;
        }
        long[] source = records;
        long[] target = new long[count * width];
        for (long run = SHORT_RUN; run < count; run *= 2) {
            for (long from = 0; from < count; from += 2 * run) {
                merge(
                        source,
                        target,
                        (int) from,
                        (int) Math.min(count, from + run),
                        (int) Math.min(count, from + 2 * run),
                        width);
            }
            long[] other = source;
            source = target;
            target = other.length >= count * width ? other : new long[count * width];
        }
        return source;
    }

    private static void merge(long[] source, long[] target, int from, int middle, int to, int width) {
        int left = from * width;
        int leftEnd = middle * width;
        int right = leftEnd;
        int rightEnd = to * width;
        int out = left;
        while (left < leftEnd && right < rightEnd) {
            if (compare(source, left, source, right, width) <= 0) {
                for (int i = 0; i < width; i++) {
                    target[out++] = source[left++];
                }
            } else {
                for (int i = 0; i < width; i++) {
                    target[out++] = source[right++];
                }
            }
        }
        System.arraycopy(source, left, target, out, leftEnd - left);
        System.arraycopy(source, right, target, out + leftEnd - left, rightEnd - right);
    }

    private static int compare(long[] a, int i, long[] b, int j, int width) {
        for (int k = 0; k < width; k++) {
            long x = a[i + k];
            long y = b[j + k];
            if (x != y) {
                return x < y ? -1 : 1;
            }
        }
        return 0;
    }

    /** Records that never left memory. */
    private static final class Memory implements Cursor {
        private final long[] records;
        private final int end;
        private final int width;
        private int at;

        Memory(long[] records, int count, int width) {
            this.records = records;
            this.end = count * width;
            this.width = width;
        }

        @Override
        public boolean next(long[] record) {
            if (at == end) {
                return false;
            }
            System.arraycopy(records, at, record, 0, width);
            at += width;
            return true;
        }

        @Override
        public void close() {
            // Nothing is held but memory.
        }
    }

    /** Several sorted files as one. */
    private static final class Merge implements Cursor {
        private final List<RunReader> readers = new ArrayList<>();
        private final PriorityQueue<RunReader> queue;
        private final int width;

        Merge(List<Path> runs, int width) {
            this.width = width;
            this.queue = new PriorityQueue<>((a, b) -> compare(a.head, 0, b.head, 0, width));
            boolean opened = false;
            try {
                for (Path run : runs) {
                    RunReader reader = new RunReader(run, width);
                    readers.add(reader);
                    if (reader.advance()) {
                        queue.add(reader);
                    }
                }
                opened = true;
            } finally {
                if (!opened) {
                    close();
                }
            }
        }

        @Override
        public boolean next(long[] record) {
            RunReader least = queue.poll();
            if (least == null) {
                return false;
            }
            System.arraycopy(least.head, 0, record, 0, width);
            if (least.advance()) {
                queue.add(least);
            }
            return true;
        }

        @Override
        public void close() {
            readers.forEach(RunReader::close);
        }
    }

    private static final class RunReader {
        private final FileChannel channel;
        private final ByteBuffer bytes = ByteBuffer.allocate(BUFFER_BYTES).flip();
        private final long[] head;

        RunReader(Path run, int width) {
            head = new long[width];
            try {
                channel = FileChannel.open(run, StandardOpenOption.READ);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        boolean advance() {
            for (int i = 0; i < head.length; i++) {
                if (bytes.remaining() < Long.BYTES && !fill()) {
                    return false;
                }
                head[i] = bytes.getLong();
            }
            return true;
        }

        private boolean fill() {
            try {
                bytes.compact();
                while (bytes.position() < Long.BYTES) {
                    if (channel.read(bytes) < 0) {
                        bytes.flip();
                        return false;
                    }
                }
                bytes.flip();
                return true;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static final class RunWriter implements AutoCloseable {
        private final Path run;
        private final FileChannel channel;
        private final ByteBuffer bytes = ByteBuffer.allocate(BUFFER_BYTES);
        private final LongBuffer numbers = bytes.asLongBuffer();

        RunWriter(Path run) {
            this.run = run;
            try {
                channel = FileChannel.open(run, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            } catch (IOException e) {
                throw DurableFiles.writeFailure(run, -1, e);
            }
        }

        void write(long[] values, int from, int length) {
            int at = from;
            int end = from + length;
            while (at < end) {
                int some = Math.min(end - at, numbers.remaining());
                numbers.put(values, at, some);
                at += some;
                if (!numbers.hasRemaining()) {
                    flush();
                }
            }
        }

        private void flush() {
            try {
                DurableFiles.writeFully(channel, bytes.position(0).limit(numbers.position() * Long.BYTES));
                bytes.clear();
                numbers.clear();
            } catch (IOException e) {
                throw DurableFiles.writeFailure(run, (long) numbers.position() * Long.BYTES, e);
            }
        }

        @Override
        public void close() {
            try (channel) {
                flush();
            } catch (IOException e) {
                throw DurableFiles.writeFailure(run, -1, e);
            }
        }
    }
}
