package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Adaptive computation time for each position (Graves 2016, arXiv:1603.08983; Dehghani et al. 2019, arXiv:1807.03819) over
 * the visits of a shared block. Before visit t a position's unit gives {@code h_t = σ(w·x_t + b)}; it halts at the first N
 * where {@code h_1 + … + h_N ≥ 1 - ε}, or at the last visit. The outcome is {@code Σ p_t · s_t} over its states after the
 * visits up to N, with {@code p_t = h_t} before N and the remainder {@code R = 1 - Σ_{t<N} h_t} at N; its ponder cost is
 * {@code N + R}. A halted position keeps its state, which others go on reading.
 *
 * <p>Every visit is computed for every position: positions of a batch halt at different visits, and keys and values of all
 * of them must be there for those that go on. So halting decides what counts, and the cost says what could be saved; time
 * is that of all visits.
 *
 * <p>Deviations from the Universal Transformer's code: outcomes are summed as in Graves' equation 13, not blended one after
 * the other, and what is left at the last visit goes to it, so that the weights of a position always sum to 1.
 */
public final class AdaptiveHalting {
    /** The ponder cost of each position so far, fp32 [B, T]. */
    public static final String COST = "ponder_cost";

    private static final String STREAM = "hidden_states";
    private static final String BEFORE = "state_before_step";
    private static final String RUNNING = "halting_running";
    private static final String RAN = "halting_ran";
    private static final String SUM = "halting_sum";
    private static final String WEIGHT = "halting_weight";
    private static final String OUTCOME = "halting_outcome";

    private final String name;
    private final Linear unit;
    private final int steps;
    private final double threshold;

    /**
     * @param name what the segments' names start with
     * @param unit the slot from D to 1
     * @param steps the most visits
     * @param epsilon how far below 1 the sum may stay
     */
    public AdaptiveHalting(String name, Linear unit, int steps, double epsilon) {
        this.name = name;
        this.unit = unit;
        this.steps = steps;
        this.threshold = 1 - epsilon;
    }

    /** What stands before visit {@code step} of the block, and of what tells it the step. */
    public Segment before(int step) {
        return new Before(step);
    }

    /** What stands behind visit {@code step}. */
    public Segment after(int step) {
        return new After(step);
    }

    private final class Before extends Segment {
        private final int step;

        Before(int step) {
            super(name + "." + step + ".unit");
            this.step = step;
        }

        @Override
        public List<String> reads() {
            return step == 0 ? List.of(STREAM) : List.of(STREAM, RUNNING, SUM, COST);
        }

        @Override
        public List<String> writes() {
            return List.of(BEFORE, RAN, RUNNING, SUM, WEIGHT, COST);
        }

        @Override
        public List<Parameter> parameters() {
            return unit.parameters();
        }

        @Override
        public List<Linear> linears() {
            return List.of(unit);
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Tensor x_BTD = flow.get(STREAM);
            // Sums near the threshold are made in fp32, or rounding would decide who halts.
            Tensor h_BT = unit.forward(x_BTD, pass).squeeze(-1).to(DType.FP32).sigmoid();
            Tensor zero_BT = h_BT.detach().mul(0);
            Tensor running = step == 0 ? zero_BT.add(1) : flow.get(RUNNING);
            Tensor sum = step == 0 ? zero_BT : flow.get(SUM);
            Tensor cost = step == 0 ? zero_BT : flow.get(COST);
            Tensor reached = step == steps - 1
                    ? zero_BT.add(1)
                    : sum.detach().add(h_BT.detach()).ge(threshold).to(DType.FP32);
            Tensor halts = running.mul(reached);
            Tensor goesOn = running.sub(halts);
            Tensor remainder = sum.neg().add(1);
            flow.put(BEFORE, x_BTD.mul(1));
            flow.put(RAN, running.mul(1));
            flow.put(RUNNING, goesOn);
            flow.put(SUM, sum.add(h_BT.mul(goesOn)));
            flow.put(WEIGHT, h_BT.mul(goesOn).add(remainder.mul(halts)));
            flow.put(COST, cost.add(running).add(remainder.mul(halts)));
        }
    }

    private final class After extends Segment {
        private final int step;

        After(int step) {
            super(name + "." + step + ".outcome");
            this.step = step;
        }

        @Override
        public List<String> reads() {
            List<String> names = new ArrayList<>(List.of(STREAM, BEFORE, RAN, WEIGHT));
            if (step > 0) {
                names.add(OUTCOME);
            }
            return names;
        }

        @Override
        public List<String> writes() {
            return List.of(STREAM, OUTCOME);
        }

        @Override
        public List<Parameter> parameters() {
            return List.of();
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Tensor state_BTD = flow.get(STREAM);
            Tensor part = state_BTD.mul(flow.get(WEIGHT).unsqueeze(-1).to(state_BTD.dtype()));
            Tensor outcome = step == 0 ? part : flow.get(OUTCOME).add(part);
            if (step == steps - 1) {
                flow.put(STREAM, outcome);
                return;
            }
            flow.put(OUTCOME, outcome);
            Tensor ran_BT1 = flow.get(RAN).unsqueeze(-1).gt(0);
            flow.put(STREAM, Tensor.where(ran_BT1, state_BTD, flow.get(BEFORE)));
        }
    }
}
