package quern.models.part.recurrence;

import java.util.Optional;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.RecurrencePart;
import quern.models.part.Stack;
import quern.nn.Branch;
import quern.nn.MemoryLayout;
import quern.nn.RecurrentAttention;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The Compressive Transformer (Rae et al. 2020, arXiv:1911.05507): Transformer-XL's memory, and before it a second one of
 * slots, each of which stands for several tokens. A convolution learns by the model's own loss, within the row that it
 * compresses in; the paper's separate reconstruction loss is left out.
 */
public final class Compressive implements PartTechnique {
    @Override
    public String kind() {
        return RecurrencePart.KIND;
    }

    @Override
    public String id() {
        return "compressive";
    }

    @Override
    public String summary() {
        return "A memory of past inputs, and a compressed one of those before (Compressive Transformer)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** How tokens become a slot. */
    public enum Function {
        /** Their mean. */
        MEAN,
        /** The largest of each feature. */
        MAX,
        /** A convolution whose kernel and stride are the compression rate. */
        CONV
    }

    /**
     * The settings.
     *
     * @param memoryLength how many tokens before it a token sees uncompressed
     * @param compressedMemoryLength how many slots before those
     * @param compressionRate how many tokens a slot stands for
     * @param compression how
     */
    public record Config(
            @Doc("How many tokens before it a token sees uncompressed; a multiple of compression_rate.")
            @Default("128")
            @Range(min = 1)
            int memoryLength,

            @Doc("How many slots before those it sees.") @Default("128") @Range(min = 1)
            int compressedMemoryLength,

            @Doc("How many tokens a slot stands for.") @Default("4") @Range(min = 2)
            int compressionRate,

            @Doc("How tokens become a slot: mean, max, or conv, a convolution as wide as the rate.") @Default("conv")
            Function compression)
            implements RecurrencePart {
        @Override
        public void check(Composition c) {
            MemoryParts.check("compressive", c);
            if (memoryLength % compressionRate != 0) {
                throw new IllegalArgumentException(
                        "recurrence: compressive: memory_length %d is no multiple of compression_rate %d, so no slot would end where the memory begins; change one"
                                .formatted(memoryLength, compressionRate));
            }
        }

        private MemoryLayout layout() {
            return new MemoryLayout(memoryLength, compressedMemoryLength, compressionRate);
        }

        @Override
        public Optional<Branch> branch(BlockSite site) {
            return Optional.of(MemoryParts.attention(
                    site,
                    layout(),
                    switch (compression) {
                        case MEAN -> RecurrentAttention.Compression.mean();
                        case MAX -> RecurrentAttention.Compression.max();
                        case CONV ->
                            RecurrentAttention.Compression.convolution(MemoryParts.kernel(site, compressionRate));
                    }));
        }

        @Override
        public Optional<Segment> memories(Stack stack, Assembly assembly) {
            return Optional.of(MemoryParts.memories(assembly, layout()));
        }

        @Override
        public int passMultiple() {
            return compressionRate;
        }

        @Override
        public boolean isEndless() {
            return true;
        }
    }
}
