package quern.train;

import java.nio.file.Path;
import java.util.List;
import quern.data.Scorer;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;

/** Scores a text by a causal language model's mean loss over its tokens, in nats; NaN where it has fewer than two. */
final class ModelLossScorer implements Scorer {
    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final int length;

    private ModelLossScorer(LanguageModel model, Tokenizer tokenizer, int length) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.length = length;
    }

    /** Loads the model of a folder. */
    static Scorer open(Path named) {
        ModelFolder folder = ModelFolder.find(named);
        LanguageModel model = folder.model(DType.FP32, Device.CPU);
        boolean done = false;
        try {
            if (model.spec().task() != Task.CAUSAL_LM) {
                throw QuernException.badInput(
                        "%s: a model for %s gives a text no loss; name one for causal_lm",
                        named, model.spec().task().id());
            }
            Tokenizer tokenizer = folder.tokenizer(model.spec().config());
            int length = Math.min(
                    folder.trainedLength().orElse(Integer.MAX_VALUE),
                    Math.min(4096, model.spec().config().longestPass()));
            Scorer scorer = new ModelLossScorer(model, tokenizer, length);
            done = true;
            return scorer;
        } finally {
            if (!done) {
                model.close();
            }
        }
    }

    @Override
    public String name() {
        return "loss";
    }

    @Override
    public double[] score(List<String> texts) {
        return texts.stream()
                .mapToDouble(text -> {
                    TokenStream tokens = TokenStream.of("a row", text, tokenizer);
                    return tokens.size() < 2
                            ? Double.NaN
                            : ValidationLoss.measure(model.network(), model.device(), tokens, length, 1, done -> {})
                                    .loss();
                })
                .toArray();
    }

    @Override
    public void close() {
        model.close();
    }
}
