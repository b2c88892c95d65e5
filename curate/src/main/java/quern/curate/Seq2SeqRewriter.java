package quern.curate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import quern.data.Rewriter;
import quern.data.augment.RewriterTechnique;
import quern.models.EncoderDecoderConfig;
import quern.models.LanguageModel;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.train.ModelFolder;
import quern.train.TextGenerator;

/**
 * Writes texts anew with sequence-to-sequence models, such as a T5 or BART that paraphrases, or two that translate there and
 * back, in fp32 on the CPU. Each model generates as its folder's {@code generation_config.json} says; a text is read up to the
 * model's longest input. Several threads take turns.
 */
public final class Seq2SeqRewriter implements RewriterTechnique {
    /** No settings. */
    public record Config() {}

    @Override
    public String id() {
        return SEQ2SEQ;
    }

    @Override
    public String summary() {
        return "writes texts anew with sequence-to-sequence models, each reading what the one before it wrote";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Rewriter open(List<Path> folders) {
        Chain chain = new Chain(folders.size() == 1 ? "paraphrase" : "back_translation");
        try {
            folders.forEach(chain::add);
            return chain;
        } catch (RuntimeException e) {
            chain.close();
            throw e;
        }
    }

    private static final class Chain implements Rewriter {
        private final String name;
        private final List<LanguageModel> models = new ArrayList<>();
        private final List<TextGenerator> generators = new ArrayList<>();

        Chain(String name) {
            this.name = name;
        }

        void add(Path folder) {
            ModelFolder found = ModelFolder.find(folder);
            LanguageModel model = found.model(DType.FP32, Device.CPU);
            models.add(model);
            if (EncoderDecoderConfig.of(model.config()).isEmpty()) {
                throw QuernException.badInput(
                        "%s: %s has no encoder beside its decoder; name a sequence-to-sequence model, such as a T5 or BART",
                        folder, model.spec().architecture().name());
            }
            generators.add(new TextGenerator(model, found.tokenizer(model.config()), model.generationConfig()));
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public synchronized List<String> rewrite(List<String> texts, long seed) {
            List<String> written = new ArrayList<>(texts);
            for (TextGenerator generator : generators) {
                TextGenerator seeded = generator.withSeed(seed);
                written.replaceAll(text -> seeded.generate(text, piece -> true).text());
            }
            return written;
        }

        @Override
        public void close() {
            models.forEach(LanguageModel::close);
        }
    }
}
