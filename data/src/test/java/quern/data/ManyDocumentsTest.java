package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** More documents than there are plans in memory: the rows of an epoch cost the same, and none is lost. */
class ManyDocumentsTest {
    /** Blocks of 1,024: more than 256, the plans that are kept, and no whole number of groups. */
    private static final int DOCUMENTS = 300_000;

    private static final int SIZE = 3;
    private static final int ROWS = 64;

    /**
     * Looks at a document's border in making batches, by document and epoch: two to pack it, six to copy it into a batch.
     * A block that is packed once a row instead makes hundreds.
     */
    private static final int LOOKS = 10;

    private static final AtomicLong looks = new AtomicLong();

    /** Every token of a document is its number. */
    private static final TokenStream TOKENS = new TokenStream() {
        @Override
        public long size() {
            return (long) SIZE * DOCUMENTS;
        }

        @Override
        public void read(long from, int[] into, int offset, int length) {
            for (int i = 0; i < length; i++) {
                into[offset + i] = (int) ((from + i) / SIZE);
            }
        }

        @Override
        public long documents() {
            return DOCUMENTS;
        }

        @Override
        public long documentStart(long index) {
            looks.incrementAndGet();
            return SIZE * index;
        }

        @Override
        public boolean hasPrompts() {
            return true;
        }

        @Override
        public long answerStart(long index) {
            return SIZE * index + 1;
        }

        @Override
        public long textBytes() {
            return size();
        }

        @Override
        public int vocabularySize() {
            return DOCUMENTS;
        }

        @Override
        public String origin() {
            return "test";
        }
    };

    private static BatchSource source() {
        return new CausalLm()
                .source(
                        new Objective.Input(TOKENS, null, DataConfig.files("x").withMaxLength(8), ROWS, 3),
                        new CausalLm.Config());
    }

    @Test
    void blocksArePackedOnceAnEpoch() {
        BatchSource source = source();
        long batches = source.batchesPerEpoch();
        Batch[] first = new Batch[2];
        for (int epoch = 0; epoch < 2; epoch++) {
            looks.set(0);
            BitSet seen = new BitSet();
            long documents = 0;
            for (long k = 0; k < batches; k++) {
                Batch batch = source.batch(epoch * batches + k);
                first[epoch] = k == 0 ? batch : first[epoch];
                Arrays.stream(batch.inputIds()).forEach(seen::set);
                documents += batch.documents().length;
            }
            assertEquals(DOCUMENTS, documents);
            assertEquals(DOCUMENTS, seen.cardinality());
            assertTrue(looks.get() <= (long) LOOKS * DOCUMENTS, looks.get() + " looks at borders");
        }
        assertFalse(Arrays.equals(first[0].inputIds(), first[1].inputIds()), "epochs repeat their order");
        // A batch in the second epoch that lies in two groups, or near it, without what came before.
        BatchSource resumed = source();
        for (long k : new long[] {batches, batches + batches / 2, 2 * batches - 1}) {
            assertArrayEquals(source.batch(k).inputIds(), resumed.batch(k).inputIds());
        }
    }
}
