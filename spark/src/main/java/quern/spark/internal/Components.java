package quern.spark.internal;

import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.storage.StorageLevel;

/**
 * Connected components of a graph too large for one machine, by large-star and small-star steps in turns (Kiveris et al.
 * 2014, "Connected components in MapReduce and beyond"): every node is tied to the least it knows until nothing changes.
 */
final class Components {
    private Components() {}

    /** For each node of an edge that is not the least of its component: the node and the least one. */
    static JavaRDD<long[]> of(JavaRDD<long[]> edges, int partitions) {
        Exchange.ByFirst byNode = new Exchange.ByFirst(partitions);
        JavaRDD<long[]> current = Exchange.unique(Exchange.sorted(edges.map(Components::downwards), byNode))
                .persist(StorageLevel.MEMORY_AND_DISK());
        long[] state = state(current);
        while (true) {
            JavaRDD<long[]> bothWays = current.flatMap(edge ->
                    List.of(edge, new long[] {edge[1], edge[0]}).iterator());
            JavaRDD<long[]> large = Exchange.scan(Exchange.sorted(bothWays, byNode), LargeStar::new);
            JavaRDD<long[]> small = Exchange.scan(Exchange.sorted(large, byNode), SmallStar::new);
            JavaRDD<long[]> next =
                    Exchange.unique(Exchange.sorted(small, byNode)).persist(StorageLevel.MEMORY_AND_DISK());
            long[] after = state(next);
            current.unpersist(false);
            current = next;
            if (Arrays.equals(after, state)) {
                return current;
            }
            state = after;
        }
    }

    private static long[] downwards(long[] edge) {
        return new long[] {Math.max(edge[0], edge[1]), Math.min(edge[0], edge[1])};
    }

    /** A sum over all edges that changes when they do, up to chance, and their number. */
    private static long[] state(JavaRDD<long[]> edges) {
        return edges.aggregate(
                new long[2],
                (state, edge) -> {
                    long mixed = (edge[0] * 0x9E3779B97F4A7C15L ^ edge[1]) * 0xD6E8FEB86659FD93L;
                    return new long[] {state[0] + (mixed ^ mixed >>> 29), state[1] + 1};
                },
                (a, b) -> new long[] {a[0] + b[0], a[1] + b[1]});
    }

    /** Ties every larger neighbour of a node to the least of the node and its neighbours. */
    private static final class LargeStar implements Exchange.Scan {
        private long node = -1;
        private long least;

        @Override
        public void take(long[] edge, List<long[]> out) {
            if (edge[0] != node) {
                node = edge[0];
                least = Math.min(node, edge[1]);
            }
            if (edge[1] > node) {
                out.add(new long[] {edge[1], least});
            }
        }
    }

    /** Ties a node and its smaller neighbours to the least of these. Every edge here leads to a smaller node. */
    private static final class SmallStar implements Exchange.Scan {
        private long node = -1;
        private long least;

        @Override
        public void take(long[] edge, List<long[]> out) {
            if (edge[0] != node) {
                node = edge[0];
                least = edge[1];
                out.add(new long[] {node, least});
            } else if (edge[1] != least) {
                out.add(new long[] {edge[1], least});
            }
        }
    }
}
