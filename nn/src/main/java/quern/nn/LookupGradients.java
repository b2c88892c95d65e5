package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.EmbeddingGradient;
import quern.tensor.EmbeddingLookup;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * The hand-written form of embeddings that only look up and add: the forward is the plain one, in fp32 by a kernel that gives the
 * same bits, the backward adds to the rows that were looked up and passes over all others. A table that is the head's weight too has its gradient already, of all
 * rows, when the lookups' turn comes.
 */
final class LookupGradients implements HandWritten {
    /**
     * A table and what was looked up in it.
     *
     * @param ids int64 of a shape that spreads to [B, T]
     * @param factor what the vectors are multiplied by
     * @param skipped lookups of this row give no gradient; negative for none
     */
    record Lookup(Parameter table, Tensor ids, double factor, long skipped) {}

    private final Segment plain;
    private final List<Lookup> lookups;

    LookupGradients(Segment plain, List<Lookup> lookups) {
        this.plain = plain;
        this.lookups = lookups;
    }

    @Override
    public Backward forward(Flow flow, Pass pass) {
        if (lookups.stream()
                .allMatch(l ->
                        l.table.value().dtype() == DType.FP32 && l.table.value().isContiguous())) {
            flow.put("hidden_states", sum());
        } else {
            plain.forward(flow, pass);
        }
        return new Visit(lookups.stream()
                .filter(l -> l.table.isTrainable())
                .map(l -> new Lookup(l.table, l.ids.keep(), l.factor, l.skipped))
                .toList());
    }

    private Tensor sum() {
        long b = lookups.getFirst().ids.size(0);
        long t = lookups.getFirst().ids.size(1);
        long width = lookups.getFirst().table.value().size(1);
        Tensor x_ND = Tensor.empty(DType.FP32, Device.CPU, b * t, width);
        boolean added = false;
        for (Lookup l : lookups) {
            Tensor ids_N = l.ids.expand(b, t).reshape(b * t).contiguous();
            EmbeddingLookup.into(l.table.value(), ids_N, l.factor, x_ND, added);
            added = true;
        }
        return x_ND.view(b, t, width);
    }

    /** Holds the ids of one visit, and its cotangent between the two halves. */
    private static final class Visit implements Backward {
        private final List<Lookup> lookups;
        private Tensor dx_BTD;

        Visit(List<Lookup> lookups) {
            this.lookups = lookups;
        }

        @Override
        public void input(Cotangents cotangents) {
            dx_BTD = cotangents.ofOutput("hidden_states").contiguous().keep();
        }

        @Override
        public void weight() {
            long b = dx_BTD.size(0);
            long t = dx_BTD.size(1);
            Tensor dx_ND = dx_BTD.view(b * t, dx_BTD.size(2));
            for (Lookup l : lookups) {
                Tensor ids_N = l.ids.expand(b, t).reshape(b * t).contiguous();
                if (!l.table.grad().isDefined()) {
                    // In fp32 whatever the weight: a frequent token's sum has many terms.
                    Tensor zeros = l.table.gradBuffer().zero_();
                    l.table.value().setGrad(zeros);
                    zeros.close();
                }
                EmbeddingGradient.add(l.table.grad(), ids_N, dx_ND, l.factor, l.skipped);
            }
        }

        @Override
        public void close() {
            lookups.forEach(l -> l.ids.close());
            if (dx_BTD != null) {
                dx_BTD.close();
            }
        }
    }
}
