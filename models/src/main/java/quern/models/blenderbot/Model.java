package quern.models.blenderbot;

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
 * Blenderbot (Roller et al. 2021, arXiv:2004.13637): BART's layers with the norms before each part and one at the end of
 * encoder and decoder.
 */
public final class Model implements ModelFamily<Config> {
    @Override
    public String id() {
        return "blenderbot";
    }

    @Override
    public String summary() {
        return "Blenderbot: encoder and decoder, pre-norm, learned positions";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Blenderbot", Task.SEQ2SEQ_LM, Task.MODEL);
    }

    @Override
    public Map<String, String> aliases() {
        return EncoderDecoderSettings.ALIASES;
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        EncoderDecoderSettings.completeRecipe(settings);
    }

    /** {@inheritDoc} The decoder begins with the beginning-of-text token. */
    @Override
    public void completeTokens(Map<String, Object> settings, Map<String, Object> ids) {
        if (ids.get("bos_token_id") != null) {
            settings.putIfAbsent("decoder_start_token_id", ids.get("bos_token_id"));
        }
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        return new EncoderDecoderStack(c, w).withFinalNorm().segments();
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        return settings.task() == Task.MODEL ? List.of() : List.of(EncoderDecoderStack.languageModelHead(c, w));
    }
}
