package quern.models.roberta;

import java.util.List;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.Task;
import quern.models.Weights;
import quern.models.bert.BertFamily;
import quern.models.bert.BertKeys;
import quern.nn.Activation;
import quern.nn.Linear;
import quern.nn.Pooler;
import quern.nn.PositionIds;
import quern.nn.Segment;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenEmbedding;

/**
 * RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT without the second text. Positions count from {@code pad_token_id + 1}
 * and skip padding.
 */
public final class Model extends BertFamily<Config> {
    /** The family. */
    public Model() {
        super("roberta");
    }

    @Override
    public String summary() {
        return "RoBERTa: BERT trained on hidden tokens alone";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Roberta",
                Task.MASKED_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public CheckpointKeys keys() {
        return new BertKeys(id());
    }

    @Override
    protected PositionIds positionIds(Config c) {
        return PositionIds.skipping(c.padTokenId());
    }

    @Override
    protected TokenEmbedding embedding(Config c, Weights w) {
        return super.embedding(c, w).withPositionPaddingRow(c.paddingRow());
    }

    @Override
    protected List<Segment> languageModelHead(Config c, Weights w) {
        return languageModelHead(c, w, "lm_head.dense", "lm_head.layer_norm", Activation.GELU, "lm_head");
    }

    @Override
    protected List<Segment> sequenceClassification(Config c, Weights w, HeadSettings settings, double dropout) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        Linear dense = w.linear("classifier.dense", d, d, true, std);
        Linear output = w.linear("classifier.out_proj", d, settings.labels(), true, std);
        return List.of(
                new Pooler("classifier.dense", SequencePooling.firstToken(), dropout, dense, Activation.TANH, null),
                new SequenceClassificationHead("classifier.out_proj", output, dropout, settings.problemType()));
    }
}
