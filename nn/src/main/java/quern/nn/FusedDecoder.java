package quern.nn;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.kernel.DecodingKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;

/**
 * The hand-written step of generation for the standard decoders, GPT-2's and Llama's: one token a row through embedding, all
 * blocks and head by {@link DecodingKernel}, with the keys and values in the {@link KeyValueCache} that the plain form fills
 * and reads too. The plain form, {@link Network#infer}, is its oracle and serves every other network. For one thread.
 */
public final class FusedDecoder {
    /** With more texts a step is products of matrices, which libtorch does better. */
    private static final int MOST_ROWS = 16;

    private final Positions positions;
    private final TokenEmbedding.Plain embedding;
    private final int rows;
    private final int layers;
    private final DecodingKernel kernel;

    private FusedDecoder(
            Positions positions, TokenEmbedding.Plain embedding, int rows, int layers, DecodingKernel kernel) {
        this.positions = positions;
        this.embedding = embedding;
        this.rows = rows;
        this.layers = layers;
        this.kernel = kernel;
    }

    /**
     * The step for a network, if it has one: on the CPU, all weights fp32 or all bf16, dense and contiguous; plain pre-norm
     * blocks of one width whose attention sees every earlier key, behind token vectors and before a norm and a dense head; no
     * hooks; 16 rows at most; and not where {@code QUERN_FUSED_BLOCKS} says never. The weights must stay where they are for as
     * long as it is used.
     *
     * @param rows the texts that grow together
     */
    public static Optional<FusedDecoder> of(Network network, int rows) {
        List<Segment> visits = network.visits();
        int blocks = visits.size() - 4;
        if (!Kernels.available()
                || FusedSetting.current() == FusedSetting.NEVER
                || network.attention() == AttentionImplementation.EAGER
                || rows < 1
                || FusedSetting.current() == FusedSetting.FASTER && rows > MOST_ROWS
                || blocks < 1
                || !network.hooks().isEmpty()
                || !(visits.get(0) instanceof Positions positions)
                || !positions.isUsual()
                || !(visits.get(1) instanceof TokenEmbedding tokens)
                || !(tokens.plain() instanceof TokenEmbedding.Plain embedding)
                || !(visits.get(2 + blocks) instanceof FinalNorm finalNorm)
                || !BlockParts.isLearned(finalNorm.norm())
                || !(visits.get(3 + blocks) instanceof LanguageModelHead head)
                || !(head.plain() instanceof DenseLinear slot)
                || !isUniform(network.parameters())) {
            return Optional.empty();
        }
        List<DecodingKernel.Block> parts = new ArrayList<>();
        for (Segment visit : visits.subList(2, 2 + blocks)) {
            Optional<DecodingKernel.Block> part = block(visit, parts.size());
            if (part.isEmpty()
                    || !DecodingKernel.fits(part.get().shape(), part.get().weights())
                    || part.get().shape().width() != slot.inFeatures()
                    || part.get().shape().rotary() && positions.usualRotary() == null) {
                return Optional.empty();
            }
            parts.add(part.get());
        }
        if (embedding.tokens().value().size(1) != slot.inFeatures()) {
            return Optional.empty();
        }
        Norm norm = finalNorm.norm();
        DecodingKernel.Head last = new DecodingKernel.Head(
                BlockParts.norm(norm, FusedDecoder::memory),
                norm instanceof Norm.LayerNorm,
                BlockParts.eps(norm),
                BlockParts.slot(slot, FusedDecoder::memory));
        if (!DecodingKernel.fits(last)) {
            return Optional.empty();
        }
        ElementType type = slot.weight().value().dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16;
        DecodingKernel kernel = new DecodingKernel(type, rows, parts, last);
        return Optional.of(new FusedDecoder(positions, embedding, rows, blocks, kernel));
    }

    private static boolean isUniform(List<Parameter> parameters) {
        DType dtype = parameters.getFirst().value().dtype();
        return (dtype == DType.FP32 || dtype == DType.BF16)
                && parameters.stream()
                        .allMatch(p -> p.value().dtype() == dtype
                                && !p.value().device().isCuda()
                                && p.value().isContiguous());
    }

    private static Optional<DecodingKernel.Block> block(Segment segment, int layer) {
        if (!(segment instanceof TransformerBlock block)) {
            return Optional.empty();
        }
        return BlockParts.of(block.steps(), Pass.evaluation())
                .filter(p ->
                        p.plain().mask().equals(Positions.MASK) && p.attention().layer() == layer)
                .map(p -> new DecodingKernel.Block(p.shape(), p.weights(FusedDecoder::memory)));
    }

    private static MemorySegment memory(Parameter p) {
        return p.value().memory();
    }

    /** Whether a step can go on from this cache: the plain form has filled every layer. */
    public boolean continues(KeyValueCache cache) {
        return cache.length() > 0 && cache.layers() == layers;
    }

    /**
     * Adds a token to every row.
     *
     * @param tokens one a row
     * @param firsts columns of padding before each row's text, hidden from it
     * @param cache what the plain form or earlier steps left; grows by the tokens
     * @return the logits [B, V]; the array is used again by the next step
     */
    public float[] step(long[] tokens, int[] firsts, KeyValueCache cache) {
        if (tokens.length != rows || !continues(cache)) {
            throw new IllegalArgumentException("a step of %d rows on %d layers of a cache, expected %d and %d"
                    .formatted(tokens.length, cache.layers(), rows, layers));
        }
        long past = cache.length();
        RotaryTables tables = tables(past, firsts);
        MemorySegment tokenTable = embedding.tokens().value().memory();
        MemorySegment positionTable = embedding.positions() == null
                ? null
                : embedding.positions().value().memory();
        for (int row = 0; row < rows; row++) {
            kernel.setToken(row, tokenTable, tokens[row], (float) embedding.factor());
            if (positionTable != null) {
                kernel.addToToken(row, positionTable, past - firsts[row] + embedding.positionOffset());
            }
        }
        List<DecodingKernel.Cache> caches = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            KeyValueCache.Buffers b = cache.reserve(layer);
            caches.add(new DecodingKernel.Cache(
                    b.keys().memory(), b.values().memory(), (int) b.keys().size(2), (int) b.start(), (int) b.held()));
        }
        float[] logits = kernel.step(caches, firsts, tables.cos, tables.sin);
        cache.advance();
        return logits;
    }

    private record RotaryTables(float[] cos, float[] sin) {}

    private RotaryTables tables(long past, int[] firsts) {
        Positions.RotaryFrequencies rotary = positions.usualRotary();
        if (rotary == null) {
            return new RotaryTables(null, null);
        }
        float[] frequencies;
        try (Scope scope = Scope.open()) {
            frequencies = rotary.inverseFrequencies(past + 1).toFloats();
        }
        float[] cos = new float[rows * frequencies.length];
        float[] sin = new float[cos.length];
        for (int row = 0, i = 0; row < rows; row++) {
            for (float frequency : frequencies) {
                // The product is rounded to fp32, as in the tables of the plain form.
                float angle = (past - firsts[row]) * frequency;
                cos[i] = (float) (Math.cos(angle) * rotary.attentionScaling());
                sin[i++] = (float) (Math.sin(angle) * rotary.attentionScaling());
            }
        }
        return new RotaryTables(cos, sin);
    }
}
