package quern.models.bart;

import java.util.List;
import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.models.internal.EncoderDecoderSettings;
import quern.models.internal.EncoderDecoderStack;
import quern.nn.Segment;

/**
 * BART (Lewis et al. 2020, arXiv:1910.13461): the post-norm encoder and decoder of the first transformer, with learned
 * positions (whose table has two rows before that of position 0) and a norm over the embeddings.
 */
public final class Model implements ModelFamily<Config> {
    @Override
    public String id() {
        return "bart";
    }

    @Override
    public String summary() {
        return "BART: encoder and decoder, post-norm, learned positions";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Bart", Task.SEQ2SEQ_LM, Task.MODEL);
    }

    @Override
    public Map<String, String> aliases() {
        return EncoderDecoderSettings.ALIASES;
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        EncoderDecoderSettings.completeRecipe(settings);
    }

    /** {@inheritDoc} The decoder begins with the end-of-text token. */
    @Override
    public void completeTokens(Map<String, Object> settings, Map<String, Object> ids) {
        if (ids.get("eos_token_id") != null) {
            settings.putIfAbsent("decoder_start_token_id", ids.get("eos_token_id"));
        }
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        return new EncoderDecoderStack(c, w)
                .withPostNorm()
                .withEmbeddingNorm()
                .withPositionOffset(2)
                .segments();
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        return settings.task() == Task.MODEL ? List.of() : List.of(EncoderDecoderStack.languageModelHead(c, w));
    }
}
