package quern.nn;

import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A transformer block: residual steps, one after the other. Whether it looks ahead is said by the masks that its
 * attention reads. Probe points: those of its branches, and {@code output}, the residual stream after the block.
 */
public final class TransformerBlock extends Segment {
    private final List<Residual> steps;
    private final double layerDrop;

    /** A block from its steps. */
    public TransformerBlock(String name, List<Residual> steps) {
        this(name, steps, 0);
    }

    private TransformerBlock(String name, List<Residual> steps, double layerDrop) {
        super(name);
        this.steps = List.copyOf(steps);
        this.layerDrop = layerDrop;
    }

    /** A block from its steps. */
    public TransformerBlock(String name, Residual... steps) {
        this(name, List.of(steps));
    }

    /** The same, left out of a share {@code p} of training steps (LayerDrop, Fan et al. 2020, arXiv:1909.11556). */
    public TransformerBlock withLayerDrop(double p) {
        return new TransformerBlock(name(), steps, p);
    }

    @Override
    public List<String> reads() {
        Set<String> names = new LinkedHashSet<>(List.of("hidden_states"));
        steps.forEach(s -> s.branches().forEach(f -> names.addAll(f.reads())));
        return List.copyOf(names);
    }

    @Override
    public List<String> readsIfPresent() {
        Set<String> names = new LinkedHashSet<>();
        steps.forEach(s -> s.branches().forEach(f -> names.addAll(f.readsIfPresent())));
        return List.copyOf(names);
    }

    @Override
    public List<String> writes() {
        Set<String> names = new LinkedHashSet<>(List.of("hidden_states"));
        steps.forEach(s -> s.branches().forEach(f -> names.addAll(f.writes())));
        return List.copyOf(names);
    }

    @Override
    public List<String> carries() {
        return steps.stream()
                .flatMap(s -> s.branches().stream())
                .flatMap(f -> f.carries().stream())
                .toList();
    }

    @Override
    public List<Parameter> parameters() {
        return steps.stream().flatMap(s -> s.parameters().stream()).toList();
    }

    @Override
    public List<Linear> linears() {
        return steps.stream().flatMap(s -> s.linears().stream()).toList();
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        Set<Regularization.Kind> all = EnumSet.of(Regularization.Kind.RESIDUAL_DROPOUT);
        steps.forEach(s -> s.branches().forEach(f -> all.addAll(f.regularizers())));
        return all;
    }

    @Override
    public boolean takesBlocks() {
        return steps.stream().allMatch(s -> s.branches().stream().allMatch(Branch::takesBlocks));
    }

    @Override
    public boolean sharesPrefixes(Pass pass, long longest) {
        boolean drops = pass.isTraining() && layerDrop > 0;
        return !drops && steps.stream().allMatch(s -> s.sharesPrefixes(pass));
    }

    /** Whether one of its branches is attention. */
    boolean attends() {
        return steps.stream().anyMatch(s -> s.branches().stream().anyMatch(Branch::attends));
    }

    List<Residual> steps() {
        return steps;
    }

    @Override
    public Optional<HandWritten> handWritten(Flow flow, Pass pass) {
        return FusedBlock.of(steps, flow, pass);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x = flow.get("hidden_states");
        if (isDropped(pass)) {
            flow.put("hidden_states", pass.at(name(), "output", x.mul(1)));
            return;
        }
        for (Residual step : steps) {
            x = step.forward(x, name(), flow, pass);
        }
        flow.put("hidden_states", pass.at(name(), "output", x));
    }

    private boolean isDropped(Pass pass) {
        if (!pass.isTraining() || layerDrop == 0) {
            return false;
        }
        Tensor one = Tensor.full(1, DType.FP32, Device.CPU, 1);
        return Functional.dropout(one, layerDrop, pass.random("layer_drop/" + name()))
                        .item()
                == 0;
    }
}
