package quern.data;

import java.util.List;
import java.util.Set;
import quern.data.internal.MaskedTokens;
import quern.data.internal.SentencePairs;

/**
 * BERT's pre-training (Devlin et al. 2019, arXiv:1810.04805): prediction of hidden tokens, as {@link MaskedLm}, in rows of
 * two texts, and of whether the second follows the first. A row is {@code cls_token}, the first text, {@code sep_token},
 * the second, {@code sep_token}; {@code token_type_ids} tell the texts apart. In half of the rows the second is what comes
 * after the first in its document, in the others it is from elsewhere: from another document where there are several.
 */
public final class NextSentence implements Objective {
    @Override
    public String id() {
        return "nsp";
    }

    @Override
    public String summary() {
        return "predict hidden tokens and whether the second text follows the first";
    }

    @Override
    public Class<? extends Record> config() {
        return MaskedLm.Config.class;
    }

    @Override
    public String task() {
        return "pre_training";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("[PAD]", "[CLS]", "[SEP]", "[MASK]");
    }

    /** Nothing: every document is cut into pieces of a row. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return Set.of();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        MaskedTokens masked = new MaskedTokens(input.tokenizer(), (MaskedLm.Config) config, id());
        return new SentencePairs(input, masked, SentencePairs.Other.ELSEWHERE, id());
    }
}
