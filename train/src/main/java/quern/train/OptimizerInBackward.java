package quern.train;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import quern.nn.Network;
import quern.nn.Segment;
import quern.nn.SegmentHook;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.tensor.Parameter;

/**
 * Takes a parameter's update inside the backward pass, as soon as its gradient is complete, and drops the gradient (Lv et al.
 * 2023, "Full Parameter Fine-tuning for Large Language Models with Limited Resources", arXiv:2306.09782, there fused with SGD;
 * here any optimizer, whose updates know one parameter at a time). So gradients exist of one segment at a time, and of weights
 * that several segments share. Every update has the bits it would have at the end of the step.
 *
 * <p>What needs all gradients at once can't go with it: clipping by the global norm, sums over micro-batches, a loss scale,
 * leaving out a step. Clipping by value and adaptive clipping can. Gradients that are not finite are found segment by segment,
 * when the segments after it have been updated: the run stops, and nothing of the step is saved.
 */
final class OptimizerInBackward implements SegmentHook {
    /** A gradient that is not finite, in the segment of this name. */
    static final class NonFinite extends RuntimeException {
        private static final long serialVersionUID = 1;

        NonFinite(String parameter, String segment) {
            super("the gradient of '%s' (segment '%s') is not finite".formatted(parameter, segment));
        }
    }

    private final Optimizer optimizer;
    private final GradientClipping clipping;
    private final List<Parameter> ready = new ArrayList<>();
    private double learningRate;
    private double squares;

    /**
     * @param clipping by value or adaptive, or none
     */
    OptimizerInBackward(Optimizer optimizer, GradientClipping clipping) {
        this.optimizer = optimizer;
        this.clipping = clipping;
    }

    /** Before the backward pass of a step. */
    void begin(double rate) {
        learningRate = rate;
        squares = 0;
        ready.clear();
    }

    /** After it: the norm of all gradients there were, before clipping. */
    double norm() {
        return Math.sqrt(squares);
    }

    @Override
    public void gradientReady(Parameter parameter) {
        ready.add(parameter);
    }

    /** Updates what the segment completed, in one go over all of the kernels' threads. */
    @Override
    public void afterBackward(Visit visit) {
        if (ready.isEmpty()) {
            return;
        }
        GradientClipping.Measurement measured = clipping.measure(ready);
        if (!Double.isFinite(measured.norm())) {
            throw new NonFinite(
                    measured.nonFinite().orElse(ready.getFirst().name()),
                    visit.segment().name());
        }
        squares += measured.norm() * measured.norm();
        optimizer.step(ready, learningRate, measured.scale());
        ready.forEach(Parameter::clearGrad);
        ready.clear();
    }

    /** Bytes of the gradients that exist at once, at most, in the weights' dtype: shared weights and the largest segment. */
    static long gradientBytes(Network network) {
        Set<Parameter> once = new HashSet<>();
        Set<Parameter> shared = new HashSet<>();
        for (Segment segment : network.visits()) {
            for (Parameter p : new HashSet<>(segment.parameters())) {
                if (!once.add(p)) {
                    shared.add(p);
                }
            }
        }
        long largest = 0;
        for (Segment segment : network.visits()) {
            largest = Math.max(
                    largest,
                    new HashSet<>(segment.parameters())
                            .stream()
                                    .filter(p -> !shared.contains(p))
                                    .mapToLong(OptimizerInBackward::bytes)
                                    .sum());
        }
        return largest + shared.stream().mapToLong(OptimizerInBackward::bytes).sum();
    }

    private static long bytes(Parameter p) {
        return p.isTrainable() ? p.value().numel() * p.value().dtype().bytes() : 0;
    }
}
