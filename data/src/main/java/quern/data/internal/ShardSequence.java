package quern.data.internal;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/** One long sequence of integers over as many shard files as it needs; every file but the last is full. */
final class ShardSequence {
    private final List<MappedByteBuffer> shards = new ArrayList<>();
    private final int width;
    private final long perShard;
    private final long size;

    private ShardSequence(int width, long perShard, long size) {
        this.width = width;
        this.perShard = perShard;
        this.size = size;
    }

    private static Path file(Path folder, String name, int index) {
        return folder.resolve(String.format(Locale.ROOT, "%s-%05d.bin", name, index));
    }

    /** Opens and checks the files {@code name-00000.bin}, {@code name-00001.bin}… */
    static ShardSequence open(Path folder, String name, int width, long perShard, long size) {
        ShardSequence sequence = new ShardSequence(width, perShard, size);
        for (long from = 0; from < size; from += perShard) {
            Path file = file(folder, name, sequence.shards.size());
            sequence.shards.add(ShardFile.open(file, width, Math.min(perShard, size - from)));
        }
        return sequence;
    }

    long size() {
        return size;
    }

    long get(long index) {
        Objects.checkIndex(index, size);
        MappedByteBuffer shard = shards.get((int) (index / perShard));
        int at = (int) (index % perShard) * width;
        return switch (width) {
            case 2 -> Short.toUnsignedInt(shard.getShort(at));
            case 4 -> shard.getInt(at);
            default -> shard.getLong(at);
        };
    }

    void read(long from, int[] into, int offset, int length) {
        Objects.checkFromIndexSize(from, length, size);
        int done = 0;
        while (done < length) {
            long index = from + done;
            MappedByteBuffer shard = shards.get((int) (index / perShard));
            long inShard = index % perShard;
            int n = (int) Math.min(length - done, perShard - inShard);
            int at = (int) inShard * width;
            for (int i = 0; i < n; i++, at += width) {
                into[offset + done + i] = width == 2 ? Short.toUnsignedInt(shard.getShort(at)) : shard.getInt(at);
            }
            done += n;
        }
    }

    /** Writes a sequence. */
    static final class Writer implements AutoCloseable {
        private final Path folder;
        private final String name;
        private final int width;
        private final long perShard;
        private ShardFile.Writer shard;
        private int shards;
        private long size;

        Writer(Path folder, String name, int width, long perShard) {
            this.folder = folder;
            this.name = name;
            this.width = width;
            this.perShard = perShard;
        }

        long size() {
            return size;
        }

        void add(long value) throws IOException {
            if (shard == null) {
                shard = new ShardFile.Writer(file(folder, name, shards++), width);
            }
            shard.add(value);
            size++;
            if (shard.count() == perShard) {
                finish();
            }
        }

        void finish() throws IOException {
            if (shard != null) {
                shard.finish();
                shard.close();
                shard = null;
            }
        }

        @Override
        public void close() throws IOException {
            if (shard != null) {
                shard.close();
            }
        }
    }
}
