package quern.tensor.kernel;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import quern.tensor.kernel.DecoderBlockKernel.Slot;

/**
 * The weights of one or several linear maps of the same input, side by side in arrays, with room for their gradients. Made
 * anew for every call, in arrays that stay.
 */
final class HeapMap {
    /** Inputs that are transposed together. */
    private static final int STRIP = 64;

    final int in;
    final int out;
    /** Distance of rows of the weight, and columns that its products write. */
    final int inStride;

    final int outStride;
    private final int paddedRows;
    /** The weight in panels: transposed for the forward, as it is for the backward. */
    private final float[] panels;

    private final float[] bias;
    private final boolean biased;
    private final float[][] weightSums;
    private final float[][] biasSums;
    private final Scratch[] scratch;
    private boolean wanted;
    /** Whether a lane's sums hold nothing of this backward yet. */
    private final boolean[] empty;

    private final PartClock.Part part;

    /** A thread's arrays for the products of all maps of a block: they stay, and are made when they are first used. */
    static final class Scratch {
        private final int eightsLength;
        private final int panelsLength;
        private final float[] strip = new float[Gemm.PANEL * STRIP];
        private float[] eights;
        private float[] panels;

        /** For maps of so many features at most, and up to {@code tile} rows a call. */
        Scratch(int widestIn, int widestOut, int tile) {
            eightsLength = Gemm.eightsLength(tile, widestOut);
            panelsLength = Gemm.panelsLength(tile, widestIn);
        }

        private void prepareBackward() {
            if (eights == null) {
                eights = new float[eightsLength];
                panels = new float[panelsLength];
            }
        }
    }

    /** Maps of {@code in} features to {@code out} in all, in a block; {@code scratch} has one for each lane. */
    HeapMap(int in, int out, boolean biased, Scratch[] scratch) {
        this(in, out, biased, scratch, PartClock.Part.GEMM);
    }

    /** As above; {@code part} is what its products are part of. */
    HeapMap(int in, int out, boolean biased, Scratch[] scratch, PartClock.Part part) {
        int lanes = scratch.length;
        this.scratch = scratch;
        this.part = part;
        this.in = in;
        this.out = out;
        this.inStride = Gemm.padColumns(in);
        this.outStride = Gemm.padColumns(out);
        this.paddedRows = Gemm.padRows(out);
        this.bias = new float[outStride];
        this.biased = biased;
        this.weightSums = new float[lanes][];
        this.biasSums = new float[lanes][];
        this.panels = new float[Math.max(Gemm.panelsLength(in, out), Gemm.panelsLength(out, in))];
        this.empty = new boolean[lanes];
    }

    /** Takes the slots' values for {@link #forward}; part {@code part} of {@code parts} of the work. */
    void loadForward(List<Slot> slots, ElementType type, int part, int parts) {
        int panelCount = Math.ceilDiv(out, Gemm.PANEL);
        int toPanel = panelCount * (part + 1) / parts;
        float[] strip = scratch[part].strip;
        for (int panel = panelCount * part / parts; panel < toPanel; panel++) {
            loadPanel(slots, type, panel, strip);
        }
        int first = 0;
        for (Slot slot : slots) {
            if (biased && part == 0) {
                HeapRows.load(slot.bias(), type, 0, bias, first, slot.out());
            }
            first += slot.out();
        }
    }

    /** A panel's outputs, transposed some inputs at a time by way of an array that stays in the first cache. */
    private void loadPanel(List<Slot> slots, ElementType type, int panel, float[] strip) {
        int from = panel * Gemm.PANEL;
        int to = Math.min(out, from + Gemm.PANEL);
        for (int start = 0; start < in; start += STRIP) {
            int count = Math.min(STRIP, in - start);
            int first = 0;
            for (Slot slot : slots) {
                for (int row = Math.max(from, first); row < Math.min(to, first + slot.out()); row++) {
                    HeapRows.load(
                            slot.weight(), type, (long) (row - first) * in + start, strip, (row - from) * STRIP, count);
                }
                first += slot.out();
            }
            transpose(strip, count, to - from, Gemm.START + from * in + start * Gemm.PANEL);
        }
    }

    private void transpose(float[] strip, int inputs, int outputs, int target) {
        int at = target;
        for (int i = 0; i < inputs; i++, at += Gemm.PANEL) {
            int source = i;
            for (int o = 0; o < outputs; o++, source += STRIP) {
                panels[at + o] = strip[source];
            }
            for (int o = outputs; o < Gemm.PANEL; o++) {
                panels[at + o] = 0;
            }
        }
    }

    /**
     * Takes the slots' values for {@link #backwardInput}; part {@code part} of {@code parts} of the work. Rows are read as they
     * lie, each into all of its panels.
     */
    void loadBackward(List<Slot> slots, ElementType type, int part, int parts) {
        int panelCount = Math.ceilDiv(in, Gemm.PANEL);
        int from = panelCount * part / parts * Gemm.PANEL;
        int to = Math.min(in, panelCount * (part + 1) / parts * Gemm.PANEL);
        int row = 0;
        for (Slot slot : slots) {
            for (int o = 0; o < slot.out(); o++, row++) {
                int target = Gemm.START + from * out + row * Gemm.PANEL;
                for (int column = from; column < to; column += Gemm.PANEL, target += Gemm.PANEL * out) {
                    int columns = Math.min(Gemm.PANEL, to - column);
                    HeapRows.load(slot.weight(), type, (long) o * in + column, panels, target, columns);
                    if (columns < Gemm.PANEL) {
                        Arrays.fill(panels, target + columns, target + Gemm.PANEL, 0);
                    }
                }
            }
        }
    }

    /** y = x·Wᵀ + b for rows {@code inStride} and {@code outStride} apart. */
    void forward(float[] x, float[] y, int count) {
        PartClock.Part before = PartClock.enter(part);
        Gemm.multiply(
                new Gemm.Rows(x, 0, inStride),
                panels,
                new Gemm.Rows(y, 0, outStride),
                Gemm.padRows(count),
                out,
                in,
                false);
        if (biased) {
            for (int row = 0; row < count; row++) {
                int at = row * outStride;
                for (int i = 0; i < outStride; i += Lanes.COUNT) {
                    Lanes.load(y, at + i).add(Lanes.load(bias, i)).intoArray(y, at + i);
                }
            }
        }
        PartClock.leave(before);
    }

    /** dx = dy·W. */
    void backwardInput(float[] dy, float[] dx, int count) {
        PartClock.Part before = PartClock.enter(part);
        Gemm.multiply(
                new Gemm.Rows(dy, 0, outStride),
                panels,
                new Gemm.Rows(dx, 0, inStride),
                Gemm.padRows(count),
                in,
                out,
                false);
        PartClock.leave(before);
    }

    /** Starts a backward that sums gradients only if some slot's are wanted. */
    void beginSums(List<Slot> gradients) {
        wanted = gradients.stream().anyMatch(slot -> slot.weight() != null || slot.bias() != null);
    }

    /** Starts a lane's sums anew. */
    void clearSums(int lane) {
        empty[lane] = true;
    }

    /** Adds dyᵀ·x, and dy's columns, to a lane's sums. */
    void backwardWeight(float[] x, float[] dy, int count, int lane) {
        if (!wanted) {
            return;
        }
        PartClock.Part before = PartClock.enter(part);
        boolean first = empty[lane];
        empty[lane] = false;
        Scratch own = scratch[lane];
        own.prepareBackward();
        if (weightSums[lane] == null) {
            weightSums[lane] = new float[paddedRows * inStride];
            biasSums[lane] = new float[outStride];
        }
        Gemm.eights(new Gemm.Rows(dy, 0, outStride), count, out, own.eights);
        Gemm.panels(new Gemm.Rows(x, 0, inStride), count, in, own.panels);
        Gemm.multiplyTransposed(
                own.eights, own.panels, new Gemm.Rows(weightSums[lane], 0, inStride), paddedRows, in, count, !first);
        if (biased) {
            float[] sums = biasSums[lane];
            for (int i = 0; i < outStride; i += Lanes.COUNT) {
                FloatVector sum = first ? FloatVector.zero(Lanes.FLOATS) : Lanes.load(sums, i);
                for (int row = 0; row < count; row++) {
                    sum = sum.add(Lanes.load(dy, row * outStride + i));
                }
                sum.intoArray(sums, i);
            }
        }
        PartClock.leave(before);
    }

    /**
     * Writes the lanes' sums, in fp32; part {@code part} of {@code parts} of the rows.
     *
     * @param gradients as many as slots; a null weight or bias is not wanted
     * @param added whether the sums are added to what is there
     */
    void store(List<Slot> gradients, boolean added, int part, int parts) {
        if (!wanted) {
            return;
        }
        int from = out * part / parts;
        int to = out * (part + 1) / parts;
        float[][] sums = filled(weightSums);
        float[][] sumsOfBiases = filled(biasSums);
        int first = 0;
        for (Slot slot : gradients) {
            if (slot.weight() != null) {
                int end = Math.min(to, first + slot.out());
                for (int row = Math.max(from, first); row < end; row++) {
                    long at = (long) (row - first) * in;
                    HeapRows.storeSums(sums, row * inStride, slot.weight(), at, in, added);
                }
            }
            if (part == 0) {
                HeapRows.storeSums(sumsOfBiases, first, slot.bias(), 0, slot.out(), added);
            }
            first += slot.out();
        }
    }

    /** Those of the lanes that had work. */
    private float[][] filled(float[][] ofLanes) {
        return IntStream.range(0, ofLanes.length)
                .filter(lane -> !empty[lane])
                .mapToObj(lane -> ofLanes[lane])
                .toArray(float[][]::new);
    }
}
