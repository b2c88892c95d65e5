package quern.train;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;
import quern.nn.Flow;
import quern.nn.InBatchLoss;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.nn.Tape;
import quern.tensor.DType;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * The gradients of an {@link InBatchLoss} over the rows of several batches, in the memory that one of them takes (GradCache:
 * Gao et al. 2021, arXiv:2101.06983, section 3.2). {@link #embed} passes each batch through the segments before the loss without
 * recording (the paper's step 1), {@link #judge} makes the loss of all and its gradients with respect to what those segments
 * wrote (step 2), and {@link #backward} passes each batch through them once more, recorded, and starts backward from these
 * (step 3). Both passes of a batch must draw the same, as passes of one seed do. Used for one step.
 *
 * <p>It costs one more forward; what is held between the passes is a few vectors a row.
 */
final class GradientCache implements AutoCloseable {
    private final Network encoder;
    private final Network head;
    private final InBatchLoss loss;
    /** What the loss reads of each batch. */
    private final List<Map<String, Tensor>> read = new ArrayList<>();
    /** The gradients for all batches by name. */
    private final Map<String, Tensor> gradients = new HashMap<>();

    private GradientCache(Network network, InBatchLoss loss) {
        int before = network.visits().size() - 1;
        this.encoder = network.part(0, before);
        this.head = network.part(before, before + 1);
        this.loss = loss;
    }

    /** Empty for a network whose loss is a sum over rows. */
    static Optional<GradientCache> of(Network network) {
        return network.visits().getLast() instanceof InBatchLoss loss
                ? Optional.of(new GradientCache(network, loss))
                : Optional.empty();
    }

    /** Holds what the loss reads of the next batch. */
    void embed(Flow batch, Pass pass) {
        Map<String, Tensor> held = new LinkedHashMap<>();
        read.add(held);
        Segment last = head.visits().getFirst();
        try (Scope scope = Scope.open()) {
            Flow out = encoder.infer(batch, pass);
            last.reads().forEach(name -> held.put(name, out.get(name).keep()));
            last.readsIfPresent().stream()
                    .filter(out::has)
                    .forEach(name -> held.put(name, out.get(name).keep()));
        }
    }

    /**
     * The loss over all batches; where it is finite, its gradients too, and those of its own parameters are added to them.
     *
     * @param lossScale what the loss counts in backward
     */
    double judge(Pass pass, double lossScale) {
        try (Scope scope = Scope.open()) {
            Flow all = new Flow();
            for (String name : read.getFirst().keySet()) {
                Tensor joined = Tensor.cat(read.stream().map(of -> of.get(name)).toList(), 0)
                        .detach();
                all.put(name, loss.embeddings().contains(name) ? joined.requiresGrad_(true) : joined);
            }
            try (Tape tape = head.forward(all, pass)) {
                Tensor value = tape.get("loss");
                double found = value.item();
                if (Double.isFinite(found)) {
                    tape.backward(Map.of("loss", Tensor.full(lossScale, DType.FP32, value.device(), 1)));
                    loss.embeddings()
                            .forEach(name ->
                                    gradients.put(name, tape.gradient(name).keep()));
                }
                return found;
            }
        }
    }

    /** Adds a batch's gradients to the parameters'. */
    void backward(int micro, Flow batch, Pass pass) {
        try (Scope scope = Scope.open();
                Tape tape = encoder.forward(batch, pass)) {
            Map<String, Tensor> own = new HashMap<>();
            for (String name : loss.embeddings()) {
                // A part of the model whose weights are all fixed has none to give a gradient to.
                if (tape.isDifferentiable(name)) {
                    own.put(name, gradients.get(name).narrow(0, firstRow(micro, name), rows(micro, name)));
                }
            }
            tape.backward(own);
        }
    }

    private long firstRow(int micro, String name) {
        long first = 0;
        for (int i = 0; i < micro; i++) {
            first += rows(i, name);
        }
        return first;
    }

    private long rows(int micro, String name) {
        return read.get(micro).get(name).size(0);
    }

    /** What of the batches went wrong first, if the loss did not alone: found by passing them through again. */
    Optional<Tape.NonFinite> firstNonFinite(IntFunction<Flow> batch, IntFunction<Pass> pass) {
        for (int i = 0; i < read.size(); i++) {
            try (Scope scope = Scope.open();
                    Tape tape = encoder.forward(batch.apply(i), pass.apply(i))) {
                Optional<Tape.NonFinite> found = tape.firstNonFinite();
                if (found.isPresent()) {
                    return found;
                }
            }
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        read.forEach(held -> held.values().forEach(Tensor::close));
        read.clear();
        gradients.values().forEach(Tensor::close);
        gradients.clear();
    }
}
