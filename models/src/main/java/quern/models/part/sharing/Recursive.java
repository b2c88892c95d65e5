package quern.models.part.sharing;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import quern.models.Initialization;
import quern.models.Weights;
import quern.models.part.Assembly;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.SharingPart;
import quern.models.part.Stack;
import quern.nn.Linear;
import quern.nn.LowRankLinear;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A short stack of blocks is passed several times, and each visit adds low-rank maps of its own to the shared ones (Bae et al.
 * 2024, arXiv:2410.20672, "Relaxed Recursive Transformers": the strategy CYCLE with layer-wise LoRA): with K passes over L
 * blocks, block i has the weights of block i modulo L/K, and every slot computes {@code W·x + α/r · B·A·x} with its own A and
 * B.
 *
 * <p>Deviation from the paper: it begins from a trained model, whose blocks are averaged and whose differences from the mean
 * give A and B by singular values. Here all is new: A is drawn and B is zero, so that a new model is one with plain sharing.
 */
public final class Recursive implements PartTechnique {
    /** What the names of low-rank maps hold. */
    static final String LOW_RANK = ".lora_";

    private static final double USUAL_ALPHA = 16;

    @Override
    public String kind() {
        return SharingPart.KIND;
    }

    @Override
    public String id() {
        return "recursive";
    }

    @Override
    public String summary() {
        return "A short stack is passed several times; each visit adds low-rank maps of its own";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param numRecursions how often the short stack is passed
     * @param loraRank r; 0 for plain sharing
     * @param loraAlpha α; 16 when absent
     */
    public record Config(
            @Doc("How often the short stack is passed; divides the number of blocks.") @Range(min = 2)
            int numRecursions,

            @Doc("The rank of each visit's own maps; 0 for none.") @Default("8") @Range(min = 0)
            int loraRank,

            @Doc("Each visit's own maps are multiplied by this over their rank; 16 when absent.")
            @Range(min = 0, minExclusive = true)
            Optional<Double> loraAlpha)
            implements SharingPart {
        @Override
        public void check(Composition c) {
            Divisions.check(c, "num_recursions", numRecursions);
            if (loraRank >= c.hiddenSize()) {
                throw new IllegalArgumentException(
                        "weight_sharing: lora_rank: %d is not below hidden_size %d, so the maps would not be of low rank; lower it"
                                .formatted(loraRank, c.hiddenSize()));
            }
            if (loraRank == 0 && loraAlpha.isPresent()) {
                throw new IllegalArgumentException(
                        "weight_sharing: lora_alpha: has no effect with lora_rank: 0; leave it out");
            }
        }

        @Override
        public List<Segment> blocks(Stack stack, Assembly assembly) {
            SharedBlock block = new SharedBlock(
                    stack, assembly, (name, shared) -> loraRank == 0 ? shared : relaxed(name, shared, assembly));
            int unique = stack.layers() / numRecursions;
            return IntStream.range(0, stack.layers())
                    .<Segment>mapToObj(i -> block.visit(i, i % unique))
                    .toList();
        }

        private Linear relaxed(String name, Linear shared, Assembly assembly) {
            Weights w = assembly.weights();
            long in = shared.form().inFeatures();
            long out = shared.form().outFeatures();
            return new Linear(
                    name,
                    new LowRankLinear(
                            shared.form(),
                            assembly.matrix(Role.OTHER, name + LOW_RANK + "A.weight", in, loraRank, loraRank, in),
                            w.parameter(name + LOW_RANK + "B.weight", Initialization.ZEROS, out, loraRank),
                            loraAlpha.orElse(USUAL_ALPHA) / loraRank));
        }
    }
}
