package quern.data.dedup.internal;

import java.util.BitSet;
import quern.data.corpus.Deduplication.Context;
import quern.data.corpus.Deduplication.Corpus;
import quern.data.dedup.CandidatePairs;
import quern.data.dedup.Clusters;
import quern.data.dedup.Keep;
import quern.data.dedup.Similarity;
import quern.data.dedup.Sketch;

/** The search for near-duplicates on one machine: sketches with several threads, spilled, sorted, compared in one. */
public final class NearDuplicates implements AutoCloseable {
    /** Documents are numbered by ints. */
    private static final long MOST_DOCUMENTS = Integer.MAX_VALUE - 8;

    private final double threshold;
    private final BlobFile shingles;
    private final RecordSorter identities;
    private final RecordSorter keys;
    private final RecordSorter ranks;
    private final Clusters clusters = new Clusters();
    private long compared;
    private long similar;
    private long identical;
    private long lastLater = -1;
    private long[] lastShingles;

    private NearDuplicates(double threshold, Context context) {
        this.threshold = threshold;
        this.shingles = new BlobFile(context.scratch(), "shingles");
        // Identities and keys are filled together; ranks once keys are sorted.
        this.identities = new RecordSorter(context.scratch(), "identities", 3, context.memoryBytes() / 8);
        this.keys = new RecordSorter(context.scratch(), "keys", 2, context.memoryBytes() / 2);
        this.ranks = new RecordSorter(context.scratch(), "ranks", 3, context.memoryBytes() / 8);
    }

    /** Finds them. */
    public static Drops find(Sketch sketch, double threshold, Keep keep, String id, Corpus corpus, Context context) {
        if (corpus.count() > MOST_DOCUMENTS) {
            throw quern.recipe.QuernException.refused(
                    "%s: %d documents are more than the %d that one machine compares; run it with --engine spark",
                    id, corpus.count(), MOST_DOCUMENTS);
        }
        BlobFile ids = new BlobFile(context.scratch(), "ids");
        Drops drops = new Drops(id, ids, context.scratch(), context.memoryBytes() / 8);
        try (NearDuplicates search = new NearDuplicates(threshold, context);
                BlobFile lengths = new BlobFile(context.scratch(), "ranks")) {
            search.read(sketch, keep, id, corpus, context, ids, lengths);
            search.joinIdentical();
            context.progress().accept(id + ": comparing candidates");
            search.joinSimilar();
            search.choose(lengths, drops);
            drops.total("pairs_compared", search.compared);
            drops.total("pairs_similar", search.similar);
            drops.total("identical", search.identical);
            drops.total("bands", sketch.bands().bands());
            drops.total("rows", sketch.bands().rows());
            return drops.sealed();
        } catch (RuntimeException | Error e) {
            drops.close();
            throw e;
        }
    }

    private void read(
            Sketch sketch, Keep keep, String id, Corpus corpus, Context context, BlobFile ids, BlobFile lengths) {
        long[] identity = new long[3];
        long[] key = new long[2];
        long[] rank = new long[1];
        CorpusPass.run(
                corpus,
                context,
                id,
                () -> {
                    Sketch.Reader reader = sketch.reader();
                    return document -> reader.of(document.text());
                },
                (index, document, made) -> {
                    ids.add(document.id());
                    shingles.add(made.shingles());
                    rank[0] = keep.rank(document.text());
                    lengths.add(rank);
                    clusters.grow((int) index + 1);
                    if (made.compared()) {
                        identity[0] = made.identity().high();
                        identity[1] = made.identity().low();
                        identity[2] = index;
                        identities.add(identity);
                        for (long band : made.keys()) {
                            key[0] = band;
                            key[1] = index;
                            keys.add(key);
                        }
                    }
                });
        ids.seal();
        lengths.seal();
        shingles.seal();
    }

    /** Joins documents with the same shingles to the first of them, which alone is looked at further. */
    private void joinIdentical() {
        long[] record = new long[3];
        try (RecordSorter.Cursor sorted = identities.sorted()) {
            long high = 0;
            long low = 0;
            long first = -1;
            while (sorted.next(record)) {
                if (first >= 0 && record[0] == high && record[1] == low) {
                    clusters.join((int) first, (int) record[2]);
                    identical++;
                } else {
                    high = record[0];
                    low = record[1];
                    first = record[2];
                }
            }
        }
        identities.close();
    }

    private void joinSimilar() {
        BitSet passedOver = new BitSet();
        for (int i = 0; i < clusters.size(); i++) {
            if (clusters.find(i) != i) {
                passedOver.set(i);
            }
        }
        CandidatePairs bucket = new CandidatePairs();
        long[] record = new long[2];
        try (RecordSorter.Cursor sorted = keys.sorted()) {
            long key = 0;
            long before = -1;
            boolean open = false;
            while (sorted.next(record)) {
                if (!open || record[0] != key) {
                    bucket.clear();
                    key = record[0];
                    open = true;
                    before = -1;
                }
                // A key that two bands of a document share by chance counts once.
                if (record[1] != before && !passedOver.get((int) record[1])) {
                    bucket.add(record[1], this::compare);
                }
                before = record[1];
            }
        }
        keys.close();
    }

    /** Pairs that are connected already need no comparison: clusters stay what they are. */
    private void compare(long earlier, long later) {
        if (clusters.find((int) earlier) == clusters.find((int) later)) {
            return;
        }
        if (later != lastLater) {
            lastLater = later;
            lastShingles = shingles.numbers(later);
        }
        compared++;
        if (Similarity.atLeast(shingles.numbers(earlier), lastShingles, threshold)) {
            similar++;
            clusters.join((int) earlier, (int) later);
        }
    }

    private void choose(BlobFile lengths, Drops drops) {
        BitSet roots = new BitSet();
        for (int i = 0; i < clusters.size(); i++) {
            int root = clusters.find(i);
            if (root != i) {
                roots.set(root);
            }
        }
        long[] record = new long[3];
        for (int i = 0; i < clusters.size(); i++) {
            int root = clusters.find(i);
            if (root != i || roots.get(i)) {
                record[0] = root;
                record[1] = lengths.numbers(i)[0];
                record[2] = i;
                ranks.add(record);
            }
        }
        try (RecordSorter.Cursor sorted = ranks.sorted()) {
            long root = -1;
            while (sorted.next(record)) {
                if (record[0] == root) {
                    drops.drop(record[2]);
                } else {
                    drops.begin(record[2]);
                    root = record[0];
                }
            }
        }
    }

    @Override
    public void close() {
        try (shingles;
                identities;
                keys;
                ranks) {
            lastShingles = null;
        }
    }
}
