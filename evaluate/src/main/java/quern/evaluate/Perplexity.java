package quern.evaluate;

import java.util.function.LongConsumer;
import quern.data.CausalLm;
import quern.data.TokenStream;
import quern.data.Windows;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.recipe.QuernException;
import quern.train.ValidationLoss;

/**
 * How well a language model predicts a text: the figure that training reports as validation loss, of any model on any
 * text. The text is read in windows that do not overlap; every token but the first is predicted once. Of instruction rows only
 * the answers are predicted.
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
    /** Windows read side by side. */
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
        return of(model, text, model.config().contextLength(), ROWS, batches -> {});
    }

    /**
     * Measures a model on a text.
     *
     * @param maxLength tokens in a window
     * @param rows windows read side by side; changes speed and memory, not the result
     * @param progress hears how many {@link #batches} are done
     * @throws QuernException bad input for a text of fewer than two tokens, a window longer than the model's context or
     *     a tokenizer with more tokens than the model knows; failed when the result is not finite
     */
    public static Perplexity of(LanguageModel model, TokenStream text, int maxLength, int rows, LongConsumer progress) {
        requireCausal(model);
        int context = model.config().contextLength();
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
        ValidationLoss found = ValidationLoss.measure(model.network(), model.device(), text, maxLength, rows, progress);
        if (!Double.isFinite(found.loss())) {
            throw QuernException.failed(
                    "%s: the loss is %s; the model's weights are damaged, or its precision is too low for it",
                    text.origin(), found.loss());
        }
        return new Perplexity(found.loss(), found.perplexity(), found.bitsPerByte(), found.tokens());
    }

    /** How many batches {@link #of} reads. */
    public static long batches(TokenStream text, int maxLength, int rows) {
        return text.hasPrompts()
                ? CausalLm.answers(text, maxLength, rows).batchesPerEpoch()
                : Windows.over(text, maxLength, rows).batches();
    }
}
