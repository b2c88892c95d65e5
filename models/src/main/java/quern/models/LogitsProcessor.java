package quern.models;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Tensor;

/**
 * Changes the next token's logits before a token is chosen, as transformers' processors of the same names do. B rows, V
 * tokens, S tokens so far.
 */
@FunctionalInterface
public interface LogitsProcessor {
    /**
     * The logits to go on with.
     *
     * @param ids_BS the tokens so far, prompt included; padding repeats a token of the row
     * @param logits_BV fp32
     */
    Tensor apply(Tensor ids_BS, Tensor logits_BV);

    /** The processors that a configuration asks for, in transformers' order. */
    static List<LogitsProcessor> of(GenerationConfig config) {
        List<LogitsProcessor> all = new ArrayList<>();
        if (config.repetitionPenalty() != 1) {
            all.add(repetitionPenalty(config.repetitionPenalty()));
        }
        if (config.doSample()) {
            if (config.temperature() != 1) {
                all.add((ids, logits) -> logits.div(config.temperature()));
            }
            if (config.topK() > 0) {
                all.add(topK(config.topK()));
            }
            if (config.topP() < 1) {
                all.add(topP(config.topP()));
            }
        }
        return all;
    }

    /** Keeps these tokens and no others. */
    static LogitsProcessor only(long... tokens) {
        long[] kept = tokens.clone();
        return (ids, logits) -> {
            Tensor places = Tensor.of(kept, 1, kept.length)
                    .to(logits.device())
                    .expand(logits.size(0), kept.length)
                    .contiguous();
            return Tensor.full(Double.NEGATIVE_INFINITY, logits.dtype(), logits.device(), logits.shape())
                    .scatter_(-1, places, logits.gather(-1, places));
        };
    }

    /** Divides positive logits of tokens already there, multiplies negative ones (Keskar et al. 2019, arXiv:1909.05858). */
    static LogitsProcessor repetitionPenalty(double penalty) {
        return (ids, logits) -> {
            Tensor there = logits.gather(-1, ids);
            Tensor changed = Tensor.where(there.lt(0), there.mul(penalty), there.div(penalty));
            return logits.copy().scatter_(-1, ids, changed);
        };
    }

    /** Keeps the {@code k} largest logits (and those equal to the last of them). */
    static LogitsProcessor topK(int k) {
        return (ids, logits) -> {
            long kept = Math.min(k, logits.size(-1));
            Tensor least = logits.topk(kept, -1).values().narrow(-1, kept - 1, 1);
            return logits.maskedFill(logits.sub(least).lt(0), Double.NEGATIVE_INFINITY);
        };
    }

    /** Keeps the smallest set of most likely tokens with probability {@code p} (Holtzman et al. 2019, arXiv:1904.09751). */
    static LogitsProcessor topP(double p) {
        return (ids, logits) -> {
            Tensor.Ranked ascending = logits.sort(-1, false);
            Tensor cumulative = Functional.softmax(ascending.values(), -1).cumsum(-1);
            Tensor unlikely = cumulative.le(1 - p).to(DType.FP32);
            // The most likely token stays whatever p is.
            unlikely.narrow(-1, logits.size(-1) - 1, 1).zero_();
            Tensor out = Tensor.zeros(DType.FP32, logits.device(), logits.shape())
                    .scatter_(-1, ascending.indices(), unlikely);
            return logits.maskedFill(out.gt(0), Double.NEGATIVE_INFINITY);
        };
    }
}
