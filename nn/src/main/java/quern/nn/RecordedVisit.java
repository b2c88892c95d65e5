package quern.nn;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.tensor.Autograd;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** One visit: what it read, what it wrote, and the state of its backward. */
final class RecordedVisit {
    final Segment segment;
    final int index;
    final Map<String, Boundary> read = new LinkedHashMap<>();
    final Map<String, Boundary> written = new LinkedHashMap<>();
    /** The graph's own outputs; null when the visit is recomputed or hand-written. */
    Map<String, Tensor> outputs;

    /** Where the graph is cut, in order. */
    final List<GraphCut> cuts = new ArrayList<>();

    HandWritten.Backward handWritten;
    /** Kept between the two halves of a split backward. */
    final List<Seeds> weightHalf = new ArrayList<>();

    boolean byHand;
    boolean reached;

    RecordedVisit(Segment segment, int index) {
        this.segment = segment;
        this.index = index;
    }

    void closeGraph() {
        if (outputs != null) {
            outputs.values().forEach(Tensor::close);
            outputs = null;
        }
        if (handWritten != null) {
            handWritten.close();
            handWritten = null;
        }
        cuts.forEach(GraphCut::close);
        cuts.clear();
        weightHalf.forEach(seeds -> seeds.cotangents.forEach(Tensor::close));
        weightHalf.clear();
    }

    /** The cotangents of what a cut's operator read, given that of its result; none when nothing depends on it. */
    Seeds ofCut(GraphCut cut) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Tensor g = cut.leaf().grad();
            Seeds seeds = new Seeds(new ArrayList<>(), new ArrayList<>());
            if (g.isDefined()) {
                cut.leaf().setGrad(null);
                List<Tensor> gradients = cut.backward(g);
                for (int i = 0; i < gradients.size(); i++) {
                    if (gradients.get(i) != null && cut.inputs().get(i).requiresGrad()) {
                        seeds.outputs.add(cut.inputs().get(i));
                        seeds.cotangents.add(gradients.get(i).keep());
                    }
                }
            }
            return seeds;
        }
    }

    /** Where a walk backward through a piece of a visit's graph starts, and with what. */
    record Seeds(List<Tensor> outputs, List<Tensor> cotangents) {}

    static final class CotangentsOf implements HandWritten.Cotangents {
        private final RecordedVisit v;

        CotangentsOf(RecordedVisit v) {
            this.v = v;
        }

        @Override
        public Tensor ofOutput(String name) {
            Boundary b = v.written.get(name);
            return b == null || !b.differentiable ? null : b.cotangent();
        }

        @Override
        public boolean wanted(String name) {
            Boundary b = v.read.get(name);
            return b != null && b.differentiable;
        }

        @Override
        public void addToInput(String name, Tensor cotangent) {
            v.read.get(name).give(cotangent);
        }
    }
}
