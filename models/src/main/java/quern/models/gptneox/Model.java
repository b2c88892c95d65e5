package quern.models.gptneox;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
import quern.models.RecipeDefaults;
import quern.models.RopeParameters;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Norm;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * GPT-NeoX (Black et al. 2022, arXiv:2204.06745) and Pythia: attention and the feed-forward part side by side, each behind
 * its norm, rotary positions on a part of each head, queries, keys and values of a head side by side in one matrix.
 */
public final class Model implements DecoderFamily<Config> {
    /** What {@code rope_parameters} mean that don't say how much of a head turns. */
    private static final double USUAL_SHARE = 0.25;

    @Override
    public String id() {
        return "gpt_neox";
    }

    @Override
    public String summary() {
        return "GPT-NeoX, Pythia: parallel attention and feed-forward, partial rotary positions";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "GPTNeoX",
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public Map<String, String> aliases() {
        return Map.of("rotary_pct", "partial_rotary_factor", "rotary_emb_base", "rope_theta");
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "partial_rotary_factor", USUAL_SHARE);
        RecipeDefaults.spreadDropout(settings, "hidden_dropout", "attention_dropout");
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.fourfoldWidth(settings, "intermediate_size");
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        double std = c.initializerRange();
        boolean bias = c.attentionBias();
        RopeParameters rope = c.ropeParameters();
        Activation activation = Activation.of(c.hiddenAct(), "hidden_act");
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(),
                c.numAttentionHeads(),
                c.headWidth(),
                1 / Math.sqrt(c.headWidth()),
                c.attentionDropout(),
                true);
        Parameter tokens = w.embedding("gpt_neox.embed_in", c.vocabSize(), d, std, OptionalLong.empty());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), rope.frequencies(rope.rotaryWidth(c.headWidth()), c.maxPositionEmbeddings())));
        segments.add(new TokenEmbedding("gpt_neox.embed_in", tokens, null, c.hiddenDropout()));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = "gpt_neox.layers." + i;
            Norm attentionNorm = w.layerNorm(name + ".input_layernorm", d, c.layerNormEps());
            SelfAttention attention = new SelfAttention(
                            name,
                            i,
                            shape,
                            List.of(w.linear(name + ".attention.query_key_value", d, 3L * d, bias, std)),
                            w.linear(name + ".attention.dense", d, d, bias, std))
                    .withGroupedInput();
            Norm feedForwardNorm = w.layerNorm(name + ".post_attention_layernorm", d, c.layerNormEps());
            FeedForward feedForward = new FeedForward(
                    name,
                    null,
                    w.linear(name + ".mlp.dense_h_to_4h", d, inner, true, std),
                    w.linear(name + ".mlp.dense_4h_to_h", inner, d, true, std),
                    activation);
            List<Residual> steps = c.useParallelResidual()
                    ? List.of(Residual.parallel(attentionNorm, attention, feedForwardNorm, feedForward))
                    : List.of(
                            Residual.preNorm(attentionNorm, attention), Residual.preNorm(feedForwardNorm, feedForward));
            segments.add(new TransformerBlock(
                    name,
                    steps.stream().map(s -> s.withDropout(c.hiddenDropout())).toList()));
        }
        String last = "gpt_neox.final_layer_norm";
        segments.add(new FinalNorm(last, w.layerNorm(last, d, c.layerNormEps())));
        return segments;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("gpt_neox.embed_in.weight"))
                        : w.linear("lm_head", c.hiddenSize(), c.vocabSize(), false, c.initializerRange()));
    }

    @Override
    public String tokenClassifier() {
        return "classifier";
    }
}
