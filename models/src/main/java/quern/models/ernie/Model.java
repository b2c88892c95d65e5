package quern.models.ernie;

import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.Initialization;
import quern.models.Task;
import quern.models.Weights;
import quern.models.bert.BertFamily;
import quern.models.bert.BertKeys;
import quern.nn.TokenEmbedding;

/**
 * ERNIE (Sun et al. 2020, arXiv:1907.12412; 2021, arXiv:2107.02137): BERT with a vector for the task that a text is read
 * for.
 */
public final class Model extends BertFamily<Config> {
    /** The family. */
    public Model() {
        super("ernie");
    }

    @Override
    public String summary() {
        return "ERNIE: BERT with task vectors";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Ernie",
                Task.MASKED_LM,
                Task.PRE_TRAINING,
                Task.NEXT_SENTENCE,
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 0);
    }

    @Override
    public CheckpointKeys keys() {
        return new BertKeys(id());
    }

    @Override
    protected TokenEmbedding embedding(Config c, Weights w) {
        TokenEmbedding bert = super.embedding(c, w);
        return c.useTaskId()
                ? bert.withTypes(
                        "task_type_ids",
                        w.parameter(
                                body("embeddings.task_type_embeddings.weight"),
                                Initialization.normal(c.initializerRange()),
                                c.taskTypeVocabSize(),
                                c.hiddenSize()))
                : bert;
    }
}
