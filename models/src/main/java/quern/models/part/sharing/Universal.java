package quern.models.part.sharing;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.models.Initialization;
import quern.models.part.Assembly;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.SharingPart;
import quern.models.part.Stack;
import quern.models.part.structure.PerceiverIo;
import quern.nn.AdaptiveHalting;
import quern.nn.DenseLinear;
import quern.nn.Linear;
import quern.nn.PonderLoss;
import quern.nn.Segment;
import quern.nn.StepSignal;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.Parameter;

/**
 * One block is visited again and again (Dehghani et al. 2019, arXiv:1807.03819), {@code num_hidden_layers} times; a signal
 * tells it which visit it is, and with {@code halting} each position decides how many count: see {@link StepSignal} and
 * {@link AdaptiveHalting}.
 *
 * <p>Deviation: the signal is learnt unless {@code step_embedding} asks for the paper's sines.
 */
public final class Universal implements PartTechnique {
    /** As in the paper's code: a new model halts late rather than early. */
    private static final double HALTING_BIAS = 1;

    @Override
    public String kind() {
        return SharingPart.KIND;
    }

    @Override
    public String id() {
        return "universal";
    }

    @Override
    public String summary() {
        return "One block is visited again and again, and each position may halt (Universal Transformer)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** What tells the block which visit it is. */
    public enum StepEmbedding {
        /** Nothing. */
        NONE,
        /**
         * Sines and cosines of the visit's number, as in the paper, whose token vectors are as large; beside vectors of the usual
         * initialisations they are all that a norm lets through, and the model learns nothing for long.
         */
        SINUSOIDAL,
        /** A learnt vector a visit, which begins as large as the token vectors. */
        LEARNED
    }

    /**
     * When a position stops.
     *
     * @param epsilon how far below 1 the sum of its halting probabilities may stay
     * @param ponderLoss the factor of the mean ponder cost in the training loss
     */
    public record Halting(
            @Doc("How far below 1 the sum of a position's halting probabilities may stay.")
            @Default("0.01")
            @Range(min = 0, minExclusive = true, max = 1, maxExclusive = true)
            double epsilon,

            @Doc("The factor of the mean ponder cost in the training loss.") @Default("0.01") @Range(min = 0)
            double ponderLoss) {}

    /**
     * The settings.
     *
     * @param stepEmbedding what tells the block which visit it is
     * @param positionsEachStep whether the sines of the position are added before every visit too
     * @param halting when positions stop; all visits count where it is absent
     */
    public record Config(
            @Doc(
                    "What tells the block which visit it is: learned, sinusoidal (for token vectors as large as sines), or none.")
            @Default("learned")
            StepEmbedding stepEmbedding,

            @Doc("Whether the sines of the position are added before every visit too, as in the paper.")
            @Default("false")
            boolean positionsEachStep,

            @Doc("When a position stops; {} for the usual settings, absent for as many visits as there are.")
            Optional<Halting> halting)
            implements SharingPart {
        @Override
        public void check(Composition c) {
            if (positionsEachStep && stepEmbedding != StepEmbedding.SINUSOIDAL) {
                throw new IllegalArgumentException(
                        "weight_sharing: positions_each_step: belongs to the sines of step_embedding: sinusoidal; leave it out");
            }
            if (halting.isPresent() && c.numHiddenLayers() < 2) {
                throw new IllegalArgumentException(
                        "weight_sharing: halting: with one visit there is nothing to decide; raise num_hidden_layers, or leave it out");
            }
            if (c.parts().structure() instanceof PerceiverIo.Config && (halting.isPresent() || positionsEachStep)) {
                throw new IllegalArgumentException(
                        "weight_sharing: %s: latents of structure perceiver_io are no positions of a text; leave it out"
                                .formatted(halting.isPresent() ? "halting" : "positions_each_step"));
            }
            if (halting.isPresent() && c.hasEncoder()) {
                throw new IllegalArgumentException(
                        "weight_sharing: halting: an encoder and a decoder would have two ponder costs, and there is one; leave it out");
            }
        }

        @Override
        public List<Segment> blocks(Stack stack, Assembly a) {
            SharedBlock block = new SharedBlock(stack, a, (name, shared) -> shared);
            long width = a.config().hiddenSize();
            Parameter table = stepEmbedding == StepEmbedding.LEARNED
                    ? a.table(Role.POSITIONS, stack.prefix() + "step_embedding", stack.layers(), width)
                    : null;
            Optional<AdaptiveHalting> units = halting.map(h -> new AdaptiveHalting(
                    stack.prefix() + "halting", unit(stack, a, width), stack.layers(), h.epsilon()));
            List<Segment> visits = new ArrayList<>();
            for (int i = 0; i < stack.layers(); i++) {
                int step = i;
                units.ifPresent(u -> visits.add(u.before(step)));
                if (stepEmbedding != StepEmbedding.NONE) {
                    visits.add(new StepSignal(stack.prefix() + "steps." + i, i, table, positionsEachStep));
                }
                visits.add(block.visit(i, 0));
                units.ifPresent(u -> visits.add(u.after(step)));
            }
            return visits;
        }

        private static Linear unit(Stack stack, Assembly a, long width) {
            String name = stack.prefix() + "halting.unit";
            return new Linear(
                    name,
                    new DenseLinear(
                            a.matrix(Role.OTHER, name + ".weight", width, 1, 1, width),
                            a.weights().parameter(name + ".bias", new Initialization.Constant(HALTING_BIAS), 1)));
        }

        @Override
        public List<Segment> losses() {
            return halting.<List<Segment>>map(h -> List.of(new PonderLoss("ponder_loss", h.ponderLoss())))
                    .orElse(List.of());
        }
    }
}
