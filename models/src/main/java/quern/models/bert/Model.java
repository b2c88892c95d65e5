package quern.models.bert;

import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.Task;

/**
 * BERT (Devlin et al. 2019, arXiv:1810.04805): post-norm blocks that see the text on both sides, learned positions, a
 * vector for each of two texts, and two heads to learn by: hidden tokens and whether the second text follows.
 */
public final class Model extends BertFamily<Config> {
    /** The family. */
    public Model() {
        super("bert");
    }

    @Override
    public String summary() {
        return "BERT: bidirectional, post-norm, learned positions, two texts";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                        "Bert",
                        Task.MASKED_LM,
                        Task.PRE_TRAINING,
                        Task.NEXT_SENTENCE,
                        Task.SEQUENCE_CLASSIFICATION,
                        Task.TOKEN_CLASSIFICATION,
                        Task.QUESTION_ANSWERING,
                        Task.MODEL)
                .with("BertLMHeadModel", Task.CAUSAL_LM);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 0);
    }

    @Override
    public CheckpointKeys keys() {
        return new BertKeys(id());
    }
}
