package quern.optim.optimizer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.FusedOptimizer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.ScheduleFreeUpdate;
import quern.tensor.kernel.UpdateKernel;

/**
 * AdamW that needs no falling rate, as {@code AdamWScheduleFree} of the package schedulefree: Defazio et al., "The Road
 * Less Scheduled" (arXiv 2405.15682, algorithm 1). There are three sequences: z takes the steps, x is a weighted average
 * of z, and gradients are taken at y between them. With t the steps this parameter took, η the scheduled rate, λ the
 * weight decay, β₁ {@code adam_beta1}, β₂ {@code adam_beta2} and ε {@code adam_epsilon}:
 *
 * <pre>
 * γ = η · min(1, t / warmup_steps)
 * v ← β₂v + (1-β₂)g²
 * d = g / (√(v/(1-β₂ᵗ)) + ε) + λy
 * w = tʳ · (largest γ so far)^weight_lr_power
 * c = w / (sum of all w so far)
 * z ← z - γd
 * x ← (1-c)x + cz
 * y ← (1-β₁)z + β₁x
 * </pre>
 *
 * <p>The parameters hold y while training; {@link Optimizer#evalWeights} gives x, which is what is evaluated, sampled and
 * saved. x is not stored: it is (y - (1-β₁)z)/β₁, so β₁ must not be 0. The decay acts at y, as in the package. A constant
 * {@code lr_scheduler_type} is meant to go with it; {@code warmup_steps} below {@code optim_args} is the method's own
 * warm-up, which begins at η/warmup_steps.
 *
 * <p>State: {@code z} and {@code exp_avg_sq} (v), and the fp64 scalars {@code lr_max} and {@code weight_sum}. Deviation:
 * t, the largest rate and the sum of weights are each parameter's own, where the package has them once a group.
 */
public final class ScheduleFreeAdamW implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param warmupSteps steps over which the rate rises, beginning above 0
     * @param r the power of the step in the average's weights
     * @param weightLrPower the power of the largest rate so far in the average's weights
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc("Steps over which the rate rises, in weights of the average too.") @Default("0") @Range(min = 0)
            int warmupSteps,

            @Doc("Power of the step in the average's weights; above 0 late steps count more.")
            @Default("0.0")
            @Range(min = 0)
            double r,

            @Doc("Power of the largest rate so far in the average's weights.") @Default("2.0") @Range(min = 0)
            double weightLrPower,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "schedule_free_adamw";
    }

    @Override
    public String summary() {
        return "AdamW whose evaluated weights are an average, in place of a falling rate";
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
        if (settings.beta1() == 0) {
            throw QuernException.badInput(
                    "adam_beta1: found 0, but schedule_free_adamw finds its average by dividing by it; expected more than 0");
        }
        return new ScheduleFree(groups, settings, (Config) config);
    }

    private static final class ScheduleFree extends FusedOptimizer {
        private static final int Z = 0;
        private static final int EXP_AVG_SQ = 1;
        private static final int LR_MAX = 2;
        private static final int WEIGHT_SUM = 3;

        private final OptimizerSettings settings;
        private final Config config;

        ScheduleFree(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.like("z"),
                            StateBuffer.like("exp_avg_sq"),
                            StateBuffer.of("lr_max", DType.FP64, state -> Optional.of(new long[0])),
                            StateBuffer.of("weight_sum", DType.FP64, state -> Optional.of(new long[0]))),
                    config.fused());
            this.settings = settings;
            this.config = config;
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                states().forEach(state -> state.buffer(Z).copy_(state.weight()));
            }
            nameWeights();
        }

        @Override
        public Granularity granularity() {
            return Granularity.ELEMENT;
        }

        /** The rate of one parameter's step, warmed up, and the step's share in its average. */
        private record Move(double rate, double share) {}

        /** Counts the step in the parameter's average. */
        private Move move(ParameterState state, double learningRate) {
            long t = state.step();
            double rate = t < config.warmupSteps() ? learningRate * t / config.warmupSteps() : learningRate;
            double largest = Math.max(rate, number(state, LR_MAX));
            double weight = Math.pow(t, config.r()) * Math.pow(largest, config.weightLrPower());
            double sum = number(state, WEIGHT_SUM) + weight;
            setNumber(state, LR_MAX, largest);
            setNumber(state, WEIGHT_SUM, sum);
            return new Move(rate, sum == 0 ? 0 : weight / sum);
        }

        private static double number(ParameterState state, int index) {
            MemorySegment memory = state.bufferMemory(index);
            return memory == null ? state.buffer(index).item() : memory.get(ValueLayout.JAVA_DOUBLE, 0);
        }

        private static void setNumber(ParameterState state, int index, double value) {
            MemorySegment memory = state.bufferMemory(index);
            if (memory == null) {
                state.buffer(index).fill_(value);
            } else {
                memory.set(ValueLayout.JAVA_DOUBLE, 0, value);
            }
        }

        @Override
        protected void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
            new Pass(states, gradientScale, ScheduleFree::memory).run(learningRate, (owner, rate) -> {
                ParameterState state = states.get(owner);
                Move move = move(state, rate);
                return new ScheduleFreeUpdate(
                        move.rate(),
                        settings.beta1(),
                        settings.beta2(),
                        settings.epsilon(),
                        state.weightDecay(),
                        move.share(),
                        state.step());
            });
        }

        private static UpdateKernel.Memory memory(ParameterState state) {
            return Pass.memory(state, List.of(state.bufferMemory(Z), state.bufferMemory(EXP_AVG_SQ)), List.of());
        }

        @Override
        protected void stepByOperators(ParameterState state, double learningRate, double gradientScale) {
            Move move = move(state, learningRate);
            Tensor gradient = state.fp32Gradient(gradientScale);
            Tensor y = state.weight();
            Tensor z = state.buffer(Z);
            Tensor v = state.buffer(EXP_AVG_SQ);
            v.mul_(settings.beta2()).add_(gradient.square(), 1 - settings.beta2());
            double correction = 1 - Math.pow(settings.beta2(), state.step());
            Tensor direction = gradient.div(v.div(correction).sqrt().add_(settings.epsilon()));
            if (state.weightDecay() != 0) {
                direction.add_(y, state.weightDecay());
            }
            // y follows from the old z: x is never formed.
            y.add_(z.sub(y), move.share()).add_(direction, move.rate() * (settings.beta1() * (1 - move.share()) - 1));
            z.add_(direction, -move.rate());
            state.writeBack();
        }

        @Override
        public boolean hasEvalWeights() {
            return true;
        }

        @Override
        protected Optional<Tensor> evalWeight(ParameterState state) {
            Tensor y = state.weight();
            return Optional.of(y.add(state.buffer(Z).sub(y).mul_(1 - 1 / settings.beta1())));
        }
    }
}
