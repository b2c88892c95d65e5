package quern.models;

import java.util.LinkedHashMap;
import java.util.Map;
import quern.models.internal.GrownWeights;
import quern.nn.DepthGrowth;
import quern.nn.Network;
import quern.nn.WidthGrowth;
import quern.recipe.GrowthSettings.Method;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Begins a larger model from a smaller one of the same family: see {@link DepthGrowth} and {@link WidthGrowth} for how.
 * What is said to compute as the smaller model did is tried on random tokens before it is given out, so that a family in
 * which some other number follows from a size that grew is refused and never quietly damaged.
 */
public final class ModelGrowth {
    /** The most by which a logit may move, beside the largest one: fp32 sums in another order, some hundred terms. */
    private static final double TOLERANCE = 1e-4;

    private static final long TRIED_ROWS = 2;
    private static final long TRIED_TOKENS = 16;

    private ModelGrowth() {}

    /**
     * Whether a model of the first description can become one of the second.
     *
     * @param place where the growth was asked for, for messages
     * @throws QuernException bad input where it can't
     */
    public static void check(ModelSpec from, ModelSpec to, Method method, Position place) {
        try (Network small = from.outline();
                Network large = to.outline();
                Scope scope = Scope.open()) {
            switch (method) {
                case STACK -> DepthGrowth.check(small, large, true);
                case COPY -> DepthGrowth.check(small, large, false);
                case WIDTH -> WidthGrowth.check(small, large);
            }
        } catch (QuernException e) {
            throw new QuernException(e.exitCode(), place + ": grow: " + e.getMessage(), e);
        }
    }

    /**
     * The larger model.
     *
     * @param small the smaller model in fp32 on the CPU, which stays as it is
     * @param to the larger model's description
     * @param seed of what is drawn
     */
    public static LanguageModel grow(
            LanguageModel small, ModelSpec to, Method method, DType dtype, Device device, long seed, Position place) {
        check(small.spec(), to, method, place);
        RandomStreams random = new RandomStreams(seed).streams("grow");
        try (Scope scope = Scope.open();
                Network large = to.outline()) {
            Map<String, Tensor> values = switch (method) {
                case STACK -> DepthGrowth.values(small.network(), large, true);
                case COPY -> DepthGrowth.values(small.network(), large, false);
                case WIDTH -> WidthGrowth.values(small.network(), large, random);
            };
            if (method != Method.COPY) {
                try (LanguageModel exact = model(small, to, values, DType.FP32, Device.CPU)) {
                    requireSame(small, exact, random, place);
                }
            }
            return model(small, to, values, dtype, device);
        }
    }

    private static LanguageModel model(
            LanguageModel small, ModelSpec to, Map<String, Tensor> values, DType dtype, Device device) {
        return LanguageModel.of(
                to, to.build(new GrownWeights(values, dtype, device)), dtype, device, small.generationFields());
    }

    private static void requireSame(LanguageModel small, LanguageModel large, RandomStreams random, Position place) {
        try (Scope scope = Scope.open()) {
            long tokens = Math.min(TRIED_TOKENS, small.config().contextLength());
            Tensor ids = Tensor.empty(DType.FP32, Device.CPU, TRIED_ROWS, tokens)
                    .uniform_(0, small.config().vocabSize(), new RandomStream(random.seed("tried")))
                    .clampMax(small.config().vocabSize() - 1)
                    .to(DType.INT64);
            Map<String, Tensor> batch = new LinkedHashMap<>();
            batch.put("input_ids", ids);
            if (small.spec().task() == Task.SEQ2SEQ_LM) {
                batch.put("decoder_input_ids", ids);
            }
            Tensor before = small.outputs(batch).get(outcome(small));
            Tensor after = large.outputs(batch).get(outcome(small));
            double moved = after.sub(before).abs().max().item();
            double most = before.abs().max().item();
            if (!(moved <= TOLERANCE * (1 + most))) {
                throw QuernException.badInput(
                        "%s: grow: the grown model would not compute what the smaller one does (logits move by %.3g): something else in family %s follows from a size that grew; choose another way of growing",
                        place, moved, small.spec().family().id());
            }
        }
    }

    private static String outcome(LanguageModel model) {
        return model.spec().task() == Task.MODEL ? "hidden_states" : "logits";
    }
}
