package quern.optim.optimizer;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.AdamStep;
import quern.optim.internal.FusedOptimizer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Tensor;
import quern.tensor.kernel.CodedBuffer;
import quern.tensor.kernel.DynamicMap;
import quern.tensor.kernel.UpdateKernel;

/**
 * {@link AdamW} whose moments are kept in 8 bits between steps, as bitsandbytes' {@code AdamW8bit}: Dettmers et al.,
 * "8-bit Optimizers via Block-wise Quantization" (arXiv 2110.02861). A moment is cut into blocks of 256 elements in memory
 * order; each element is the code of its share of the block's largest magnitude, in {@link DynamicMap#SIGNED} for m and
 * {@link DynamicMap#UNSIGNED} for v. A step decodes, updates in fp32 and encodes again. The two moments take 2.03 bytes a
 * weight in place of 8.
 *
 * <p>Parameters of fewer than {@code min_8bit_size} elements keep fp32 moments, and so do embedding tables and heads,
 * whose rare tokens' small gradients share blocks with frequent ones'; that is what the Hugging Face trainer does with
 * bitsandbytes. The limit of the method: v is coded as 0 where the gradients are some 2,000 times smaller than the largest
 * of their block, and an m beside it that is not yet 0 then makes a step which only ε bounds.
 *
 * <p>State: {@code exp_avg_codes} and {@code exp_avg_sq_codes} (uint8 [blocks, 256]) with {@code exp_avg_scales} and
 * {@code exp_avg_sq_scales} (fp32 [blocks]); {@code exp_avg} and {@code exp_avg_sq} of the parameters that stay in 32
 * bits. Blocks make an element's step depend on its neighbours, so only whole tensors can be dealt out.
 */
public final class AdamW8bit implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param min_8bitSize the least elements of a parameter whose moments are in 8 bits
     * @param fused true: one pass in the processor's vector unit, or an error where that can't be done; false: libtorch's
     *     operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc("Elements from which on a parameter's moments are in 8 bits.") @Default("4096") @Range(min = 1)
            int min_8bitSize,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "adamw_8bit";
    }

    @Override
    public String summary() {
        return "AdamW whose moments are kept in 8 bits";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Set<String> settings() {
        return OptimizerSettings.KEYS;
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new BlockwiseMoments(groups, settings, (Config) config);
    }

    private static final class BlockwiseMoments extends FusedOptimizer {
        private static final int BLOCK = CodedBuffer.BLOCK;
        private static final int EXP_AVG = 0;
        private static final int EXP_AVG_SQ = 1;
        private static final int FIRST_CODES = 2;
        private static final int FIRST_SCALES = 3;
        private static final int SECOND_CODES = 4;
        private static final int SECOND_SCALES = 5;

        private final AdamStep step;

        BlockwiseMoments(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.like("exp_avg", state -> !isCoded(state, config)),
                            StateBuffer.like("exp_avg_sq", state -> !isCoded(state, config)),
                            codes("exp_avg_codes", config),
                            scales("exp_avg_scales", config),
                            codes("exp_avg_sq_codes", config),
                            scales("exp_avg_sq_scales", config)),
                    config.fused());
            step = new AdamStep(settings, AdamStep.Decay.DECOUPLED);
        }

        private static boolean isCoded(ParameterState state, Config config) {
            return state.role() != ParameterRole.EMBEDDING && state.numel() >= config.min_8bitSize();
        }

        private static StateBuffer codes(String name, Config config) {
            return StateBuffer.of(
                    name,
                    DType.UINT8,
                    state ->
                            isCoded(state, config) ? Optional.of(new long[] {blocks(state), BLOCK}) : Optional.empty());
        }

        private static StateBuffer scales(String name, Config config) {
            return StateBuffer.of(
                    name,
                    DType.FP32,
                    state -> isCoded(state, config) ? Optional.of(new long[] {blocks(state)}) : Optional.empty());
        }

        private static long blocks(ParameterState state) {
            return Math.ceilDiv(state.numel(), (long) BLOCK);
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        @Override
        protected void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
            new Pass(states, gradientScale, BlockwiseMoments::memory)
                    .run(learningRate, (owner, rate) -> step.kernelUpdate(states.get(owner), rate));
        }

        private static UpdateKernel.Memory memory(ParameterState state) {
            return state.has(FIRST_CODES)
                    ? Pass.memory(
                            state,
                            List.of(),
                            List.of(
                                    coded(state, FIRST_CODES, FIRST_SCALES, DynamicMap.SIGNED),
                                    coded(state, SECOND_CODES, SECOND_SCALES, DynamicMap.UNSIGNED)))
                    : Pass.memory(
                            state, List.of(state.bufferMemory(EXP_AVG), state.bufferMemory(EXP_AVG_SQ)), List.of());
        }

        private static CodedBuffer coded(ParameterState state, int codes, int scales, DynamicMap map) {
            return new CodedBuffer(state.bufferMemory(codes), state.bufferMemory(scales), map);
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            if (!state.has(FIRST_CODES)) {
                step.byOperators(state, rate, gradientScale);
                return;
            }
            Tensor first = decode(state, FIRST_CODES, FIRST_SCALES, DynamicMap.SIGNED);
            Tensor second = decode(state, SECOND_CODES, SECOND_SCALES, DynamicMap.UNSIGNED);
            step.byOperators(state, rate, gradientScale, elements(state, first), elements(state, second));
            encode(first, state, FIRST_CODES, FIRST_SCALES, DynamicMap.SIGNED);
            encode(second, state, SECOND_CODES, SECOND_SCALES, DynamicMap.UNSIGNED);
        }

        /** Blocks without what fills the last one, in the parameter's shape; a view. */
        private static Tensor elements(ParameterState state, Tensor blocks) {
            return state.inShape(blocks.view(-1).narrow(0, 0, state.numel()));
        }

        private static Tensor decode(ParameterState state, int codes, int scales, DynamicMap map) {
            Tensor values = Tensor.of(map.values(), map.values().length).to(state.device());
            Tensor ranks = state.buffer(codes).view(-1).to(DType.INT32);
            return values.indexSelect(0, ranks)
                    .view(blocks(state), BLOCK)
                    .mul_(state.buffer(scales).unsqueeze(1));
        }

        private static void encode(Tensor blocks, ParameterState state, int codes, int scales, DynamicMap map) {
            // What fills the last block decodes to 0 from the first step on, and must not be its largest number.
            Tensor midpoints =
                    Tensor.of(map.midpoints(), map.midpoints().length).to(state.device());
            Tensor largest = blocks.abs().amax(true, 1);
            Tensor shares = blocks.div(largest.clampMin(Float.MIN_NORMAL));
            state.buffer(codes).copy_(shares.bucketize(midpoints));
            state.buffer(scales).copy_(largest.squeeze(1));
        }
    }
}
