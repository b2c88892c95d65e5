package quern.optim;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.tensor.Tensor;

/**
 * Several optimizers that share out the parameters of one model between them: Muon for the matrices and AdamW for the
 * rest, say. A step is one step of each, in their order. Its state is theirs together; names stay distinct, since a name
 * ends with its parameter's and every parameter has one optimizer.
 */
public final class CompositeOptimizer extends Optimizer {
    private final List<Optimizer> members;
    private final Map<ParameterState, Optimizer> owners = new IdentityHashMap<>();

    /**
     * Takes over the members, which are used and closed through this optimizer from now on.
     *
     * @param members no two of which have a parameter in common
     */
    public CompositeOptimizer(List<? extends Optimizer> members) {
        super(members);
        this.members = List.copyOf(members);
        for (Optimizer member : members) {
            member.states().forEach(state -> owners.put(state, member));
        }
    }

    /** The members in their order. */
    public List<Optimizer> members() {
        return members;
    }

    /** {@link Granularity#ELEMENT} where every member's is. */
    @Override
    public Granularity granularity() {
        return members.stream().allMatch(m -> m.granularity() == Granularity.ELEMENT)
                ? Granularity.ELEMENT
                : Granularity.TENSOR;
    }

    @Override
    protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
        for (Optimizer member : members) {
            List<ParameterState> own = new ArrayList<>();
            for (ParameterState state : states) {
                if (owners.get(state) == member) {
                    own.add(state);
                }
            }
            if (!own.isEmpty()) {
                member.update(own, learningRate, gradientScale);
            }
        }
    }

    @Override
    public boolean hasEvalWeights() {
        return super.hasEvalWeights() || members.stream().anyMatch(Optimizer::hasEvalWeights);
    }

    @Override
    protected Optional<Tensor> evalWeight(ParameterState state) {
        return super.evalWeight(state).or(() -> owners.get(state).evalWeight(state));
    }

    @Override
    public void close() {
        super.close();
        members.forEach(Optimizer::close);
    }
}
