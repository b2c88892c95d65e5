package quern.data.dedup.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SpillsTest {
    @TempDir
    Path folder;

    /** The last case makes more runs than are merged at once. */
    @ParameterizedTest
    @CsvSource({"0,1,1000000", "1,3,1000000", "9,2,1000000", "5000,2,1000000", "5000,3,1", "4096,1,1", "150000,2,1"})
    void recordsComeBackInOrder(int count, int width, long memory) throws IOException {
        SplittableRandom random = new SplittableRandom(count);
        List<long[]> expected = new ArrayList<>();
        try (RecordSorter sorter = new RecordSorter(folder, "test", width, memory)) {
            for (int i = 0; i < count; i++) {
                // Few values in front, so that what follows decides too; negative ones among them.
                long[] record = random.longs(width, -50, 50).toArray();
                record[width - 1] = random.nextLong();
                expected.add(record.clone());
                sorter.add(record);
            }
            expected.sort(java.util.Arrays::compare);
            assertEquals(count, sorter.size());
            long[] record = new long[width];
            try (RecordSorter.Cursor sorted = sorter.sorted()) {
                for (long[] next : expected) {
                    assertTrue(sorted.next(record));
                    assertArrayEquals(next, record);
                }
                assertTrue(!sorted.next(record));
            }
        }
        try (var left = Files.list(folder)) {
            assertEquals(List.of(), left.toList());
        }
    }

    @Test
    void blobsComeBackInAnyOrder() throws IOException {
        SplittableRandom random = new SplittableRandom(4);
        try (BlobFile numbers = new BlobFile(folder, "numbers");
                BlobFile texts = new BlobFile(folder, "texts")) {
            List<long[]> added = new ArrayList<>();
            for (int i = 0; i < 60_000; i++) {
                long[] next =
                        random.longs(i == 30_000 ? 200_000 : random.nextInt(9)).toArray();
                added.add(next);
                numbers.add(next);
                texts.add("Ünïcode " + i);
            }
            texts.add("x".repeat(1_000_000));
            numbers.seal();
            texts.seal();
            assertEquals(added.size(), numbers.count());
            assertArrayEquals(added.getFirst(), numbers.numbers(0));
            for (int i = 0; i < 5000; i++) {
                int at = random.nextInt(added.size());
                assertArrayEquals(added.get(at), numbers.numbers(at));
                assertEquals("Ünïcode " + at, texts.text(at));
            }
            assertArrayEquals(added.get(30_000), numbers.numbers(30_000));
            assertEquals(1_000_000, texts.text(60_000).length());
        }
        try (var left = Files.list(folder)) {
            assertEquals(List.of(), left.toList());
        }
    }
}
