package quern.models.bert;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.FeedForward;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Mask;
import quern.nn.NextSentenceHead;
import quern.nn.Pooler;
import quern.nn.PositionIds;
import quern.nn.Positions;
import quern.nn.PredictionTransform;
import quern.nn.ProblemType;
import quern.nn.QuestionAnsweringHead;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenClassificationHead;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.recipe.QuernException;
import quern.tensor.Parameter;

/**
 * BERT's body and heads, shared by the families that follow it: the sum of token, type and position vectors, normed; then
 * post-norm blocks that see the whole text.
 *
 * @param <C> the family's settings
 */
public abstract class BertFamily<C extends Record & BertSettings> implements ModelFamily<C> {
    private final String id;

    /** A family whose parameters start with its id. */
    protected BertFamily(String id) {
        this.id = id;
    }

    @Override
    public final String id() {
        return id;
    }

    /** A parameter's name from its name in the body. */
    protected final String body(String name) {
        return id + "." + name;
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        Object positions = settings.get("position_embedding_type");
        if (positions != null && !positions.equals("absolute")) {
            throw QuernException.badInput(
                    "%s: position_embedding_type: found %s; only absolute positions are known", where, positions);
        }
        if (Boolean.TRUE.equals(settings.get("add_cross_attention"))) {
            throw QuernException.badInput(
                    "%s: add_cross_attention: true is for decoders beside an encoder, which this family isn't here; set it to false",
                    where);
        }
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        if (settings.get("hidden_size") instanceof Number width) {
            settings.putIfAbsent("intermediate_size", 4 * width.longValue());
        }
    }

    /** How the positions of tokens are counted. */
    protected PositionIds positionIds(C config) {
        return config.isDecoder() ? PositionIds.firstRealToken() : PositionIds.columns();
    }

    /** The embedding of tokens, types and positions, before its norm. */
    protected TokenEmbedding embedding(C c, Weights w) {
        double std = c.initializerRange();
        int d = c.hiddenSize();
        String name = body("embeddings.");
        Parameter tokens = w.embedding(name + "word_embeddings", c.vocabSize(), d, std, c.paddingRow());
        Parameter positions = w.parameter(
                name + "position_embeddings.weight", Initialization.normal(std), c.maxPositionEmbeddings(), d);
        Parameter types =
                w.parameter(name + "token_type_embeddings.weight", Initialization.normal(std), c.typeVocabSize(), d);
        return new TokenEmbedding(body("embeddings"), tokens, positions, c.hiddenDropoutProb(), c.paddingRow())
                .withTypes("token_type_ids", types);
    }

    @Override
    public List<Segment> body(C c, Weights w, Task task) {
        if (task == Task.CAUSAL_LM && !c.isDecoder()) {
            throw QuernException.badInput(
                    "is_decoder: false, so tokens would see the ones they are to predict; set is_decoder: true or train %s for masked_lm",
                    id);
        }
        int d = c.hiddenSize();
        double std = c.initializerRange();
        double eps = c.layerNormEps();
        int head = d / c.numAttentionHeads();
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(),
                c.numAttentionHeads(),
                head,
                1 / Math.sqrt(head),
                c.attentionProbsDropoutProb(),
                false);
        Activation activation = Activation.of(c.hiddenAct(), "hidden_act");
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions("positions", w.dtype(), null)
                .withMask("mask", c.isDecoder() ? Mask.causal() : Mask.bidirectional())
                .withPositionIds(positionIds(c)));
        segments.add(embedding(c, w).withNorm(w.layerNorm(body("embeddings.LayerNorm"), d, eps)));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = body("encoder.layer." + i);
            Residual attention = Residual.postNorm(
                    new SelfAttention(
                            name,
                            i,
                            shape,
                            List.of(
                                    w.linear(name + ".attention.self.query", d, d, true, std),
                                    w.linear(name + ".attention.self.key", d, d, true, std),
                                    w.linear(name + ".attention.self.value", d, d, true, std)),
                            w.linear(name + ".attention.output.dense", d, d, true, std)),
                    w.layerNorm(name + ".attention.output.LayerNorm", d, eps));
            Residual feedForward = Residual.postNorm(
                    new FeedForward(
                            name,
                            null,
                            w.linear(name + ".intermediate.dense", d, c.intermediateSize(), true, std),
                            w.linear(name + ".output.dense", c.intermediateSize(), d, true, std),
                            activation),
                    w.layerNorm(name + ".output.LayerNorm", d, eps));
            segments.add(new TransformerBlock(
                    name,
                    attention.withDropout(c.hiddenDropoutProb()),
                    feedForward.withDropout(c.hiddenDropoutProb())));
        }
        return segments;
    }

    @Override
    public List<Segment> head(C c, Weights w, HeadSettings settings) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        double dropout = c.classifierDropout().orElse(c.hiddenDropoutProb());
        int labels = settings.labels();
        return switch (settings.task()) {
            case MASKED_LM, CAUSAL_LM -> languageModelHead(c, w);
            case PRE_TRAINING -> {
                List<Segment> head = new ArrayList<>(List.of(pooler(c, w)));
                head.addAll(languageModelHead(c, w));
                head.add(new NextSentenceHead(
                        "cls.seq_relationship", w.linear("cls.seq_relationship", d, 2, true, std)));
                yield head;
            }
            case NEXT_SENTENCE ->
                List.of(
                        pooler(c, w),
                        new SequenceClassificationHead(
                                "cls.seq_relationship",
                                w.linear("cls.seq_relationship", d, 2, true, std),
                                0,
                                Optional.of(ProblemType.SINGLE_LABEL_CLASSIFICATION)));
            case SEQUENCE_CLASSIFICATION, REWARD -> sequenceClassification(c, w, settings, dropout);
            case TOKEN_CLASSIFICATION ->
                List.of(new TokenClassificationHead(
                        "classifier", w.linear("classifier", d, labels, true, std), dropout));
            case QUESTION_ANSWERING ->
                List.of(new QuestionAnsweringHead("qa_outputs", w.linear("qa_outputs", d, 2, true, std), 0));
            case MODEL -> List.of(pooler(c, w));
            case SEQ2SEQ_LM, CONTRASTIVE, IMAGE_TOKENS ->
                throw new IllegalArgumentException(id() + " declares a task that it has no head for");
        };
    }

    /** The pooled first token, labelled. */
    protected List<Segment> sequenceClassification(C c, Weights w, HeadSettings settings, double dropout) {
        Linear output = w.linear("classifier", c.hiddenSize(), settings.labels(), true, c.initializerRange());
        return List.of(
                pooler(c, w), new SequenceClassificationHead("classifier", output, dropout, settings.problemType()));
    }

    /** {@code tanh(dense(first token))}. */
    private Segment pooler(C c, Weights w) {
        int d = c.hiddenSize();
        return new Pooler(
                body("pooler"),
                SequencePooling.firstToken(),
                0,
                w.linear(body("pooler.dense"), d, d, true, c.initializerRange()),
                Activation.TANH,
                null);
    }

    /** The transform and the output slot over the vocabulary. */
    protected List<Segment> languageModelHead(C c, Weights w) {
        return languageModelHead(
                c,
                w,
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                Activation.of(c.hiddenAct(), "hidden_act"),
                "cls.predictions");
    }

    /**
     * As above under these names. Untied, the output has its own bias; tied, it is {@code output.bias}, of which {@code
     * output.decoder.bias} is another name.
     */
    protected final List<Segment> languageModelHead(
            C c, Weights w, String dense, String norm, Activation activation, String output) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        Segment transform = new PredictionTransform(
                dense, w.linear(dense, d, d, true, std), activation, w.layerNorm(norm, d, c.layerNormEps()));
        Linear slot;
        if (c.tieWordEmbeddings()) {
            Parameter bias = w.parameter(output + ".bias", Initialization.ZEROS, c.vocabSize());
            w.tie(output + ".decoder.bias", bias);
            slot = w.tied(output + ".decoder", w.shared(body("embeddings.word_embeddings.weight")), bias);
        } else {
            slot = w.linear(output + ".decoder", d, c.vocabSize(), true, std);
        }
        return List.of(transform, new LanguageModelHead(output + ".decoder", slot));
    }
}
