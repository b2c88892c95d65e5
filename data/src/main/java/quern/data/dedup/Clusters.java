package quern.data.dedup;

import java.util.Arrays;

/**
 * Which of the numbers 0, 1, 2… belong together: a union-find forest whose trees keep their least member as the root, so
 * that the outcome does not depend on the order of the calls. Takes 4 bytes a number.
 */
public final class Clusters {
    private int[] parents = new int[1024];
    private int size;

    /** Makes sure that {@code 0 … count - 1} are there, each alone at first. */
    public void grow(int count) {
        if (count > parents.length) {
            parents =
                    Arrays.copyOf(parents, (int) Math.max(count, Math.min(2L * parents.length, Integer.MAX_VALUE - 8)));
        }
        while (size < count) {
            parents[size] = size++;
        }
    }

    /** How many numbers there are. */
    public int size() {
        return size;
    }

    /** The least member of the cluster that {@code member} is in. */
    public int find(int member) {
        int at = member;
        while (parents[at] != at) {
            parents[at] = parents[parents[at]];
            at = parents[at];
        }
        return at;
    }

    /** Makes one cluster of the two that hold {@code a} and {@code b}. */
    public void join(int a, int b) {
        int rootA = find(a);
        int rootB = find(b);
        if (rootA != rootB) {
            parents[Math.max(rootA, rootB)] = Math.min(rootA, rootB);
        }
    }
}
