package quern.data;

import java.util.List;
import java.util.Set;
import quern.data.internal.MaskedTokens;
import quern.data.internal.SentencePairs;

/**
 * ALBERT's pre-training (Lan et al. 2020, arXiv:1909.11942, section 3.1): prediction of hidden tokens, as {@link MaskedLm}, in
 * rows of two neighbouring texts of a document, and of their order. In half of the rows they have changed places, which
 * {@code next_sentence_label} tells as 1. Rows and {@code token_type_ids} are those of {@link NextSentence}, and so is the
 * head that judges them.
 */
public final class SentenceOrder implements Objective {
    @Override
    public String id() {
        return "sop";
    }

    @Override
    public String summary() {
        return "predict hidden tokens and whether two texts stand in their order (ALBERT)";
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
        return new SentencePairs(input, masked, SentencePairs.Other.BEFORE, id());
    }
}
