package quern.evaluate;

import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;
import quern.data.BatchSource;
import quern.data.CausalLm;
import quern.data.TokenStream;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.recipe.QuernException;
import quern.train.ValidationLoss;

/**
 * How well a language model predicts a text: the figure that training reports as validation loss, of any model on any
 * text. The text is read in windows that do not overlap; every token but the first is predicted once. Of instruction rows only
 * the answers are predicted, and rows that are too long are cut.
 *
 * <pre>{@code
 * ModelFolder folder = ModelFolder.find(Path.of("runs/tales"));
 * try (LanguageModel model = folder.model(DType.FP32, Device.CPU)) {
 *     TokenStream text = TokenStream.of("a sentence", "Once upon a time.", folder.tokenizer(model.config()));
 *     double nats = Perplexity.of(model, text).loss();
 * }
 * }</pre>
 *
 * @param loss mean negative log-probability of a token, in nats
 * @param perplexity {@code e^loss}
 * @param bitsPerByte the text's negative log-probability in bits over its bytes in UTF-8, comparable between tokenizers;
 *     NaN for answers
 * @param tokens predicted tokens
 */
public record Perplexity(double loss, double perplexity, double bitsPerByte, long tokens) {
    /** Windows or rows read side by side. */
    private static final int ROWS = 8;

    /** Refuses a model that does not predict a text token by token. */
    public static void requireCausal(LanguageModel model) {
        if (model.spec().task() != Task.CAUSAL_LM) {
            throw QuernException.badInput(
                    "the model is a %s, which does not predict a text token by token; perplexity needs a causal language model",
                    model.spec().architecture().name());
        }
    }

    /** Measures a model on a text, in windows of the model's context. */
    public static Perplexity of(LanguageModel model, TokenStream text) {
        return of(model, text, model.config().longestPass(), ROWS, batches -> {});
    }

    /**
     * Measures a model on a text.
     *
     * @param maxLength tokens in a window or row
     * @param rows windows or rows read side by side; changes speed and memory, not the result
     * @param progress hears how many batches are done
     * @throws QuernException bad input for a text of fewer than two tokens, a window longer than the model's context or
     *     a tokenizer with more tokens than the model knows; failed when the result is not finite
     */
    public static Perplexity of(LanguageModel model, TokenStream text, int maxLength, int rows, LongConsumer progress) {
        return prepare(model, text, maxLength, rows).measure(progress);
    }

    /** Arranges a text for {@link Measurement#measure}; parameters and errors as of {@link #of}. */
    public static Measurement prepare(LanguageModel model, TokenStream text, int maxLength, int rows) {
        requireCausal(model);
        int context = model.config().longestPass();
        if (maxLength < 1 || maxLength > context) {
            throw QuernException.badInput(
                    "max_length: %,d tokens, but the model was made for 1 to %,d positions; choose a length it knows",
                    maxLength, context);
        }
        if (text.vocabularySize() > model.config().vocabSize()) {
            throw QuernException.badInput(
                    "%s: its tokenizer has %,d tokens, but the model knows %,d; use the model's own tokenizer",
                    text.origin(), text.vocabularySize(), model.config().vocabSize());
        }
        return new Measurement(model, text, maxLength, rows);
    }

    /** A text that is arranged for a model. */
    public static final class Measurement {
        private final LanguageModel model;
        private final TokenStream text;
        private final int maxLength;
        private final int rows;
        private final Optional<BatchSource> answers;

        private Measurement(LanguageModel model, TokenStream text, int maxLength, int rows) {
            this.model = model;
            this.text = text;
            this.maxLength = maxLength;
            this.rows = rows;
            this.answers = text.hasPrompts() ? Optional.of(CausalLm.answers(text, maxLength, rows)) : Optional.empty();
        }

        /** How many batches {@link #measure} reads. */
        public long batches() {
            return answers.map(BatchSource::batchesPerEpoch)
                    .orElseGet(() -> ValidationLoss.batches(model.network(), text, maxLength, rows));
        }

        /** What was cut or left out, a line each. */
        public List<String> notices() {
            return answers.map(BatchSource::notices).orElse(List.of());
        }

        /**
         * Measures the model.
         *
         * @param progress hears how many of the {@link #batches} are done
         */
        public Perplexity measure(LongConsumer progress) {
            return checked(
                    text,
                    answers.isPresent()
                            ? ValidationLoss.measure(
                                    model.network(), model.device(), answers.get(), batches(), progress)
                            : ValidationLoss.measure(model.network(), model.device(), text, maxLength, rows, progress));
        }
    }

    private static Perplexity checked(TokenStream text, ValidationLoss found) {
        if (!Double.isFinite(found.loss())) {
            throw QuernException.failed(
                    "%s: the loss is %s; the model's weights are damaged, or its precision is too low for it",
                    text.origin(), found.loss());
        }
        return new Perplexity(found.loss(), found.perplexity(), found.bitsPerByte(), found.tokens());
    }
}
