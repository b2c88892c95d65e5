package quern.curate;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import quern.data.Scorer;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.train.ModelFolder;

/**
 * Numbers that a causal language model gives texts, in fp32 on the CPU. A text is read from its first token on, behind the
 * end-of-text token where the tokenizer has one; what is longer than {@code maxLength} is not read. A text without a token to
 * predict has the number NaN. Texts are read one by one, so none depends on the others; several threads take turns.
 */
public final class ModelScorer implements Scorer {
    /** What the number is. */
    public enum Measure {
        /** {@code e^loss}, the loss being the mean over tokens of the negative logarithm of their probability. */
        PERPLEXITY,
        /**
         * The error L2 norm (Paul et al. 2021, arXiv:2107.07075): the length of the vector of probabilities minus the one-hot
         * target, the mean over tokens.
         */
        EL2N,
        /** The norm of the loss's gradient in all parameters (GraNd of the same paper). */
        GRADIENT_NORM
    }

    private final Measure measure;
    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final int longest;

    /**
     * Loads a model.
     *
     * @param folder a model folder or a run folder
     * @param maxLength tokens of a text that are read at most
     * @throws QuernException for a folder without a causal language model and its tokenizer
     */
    public ModelScorer(Path folder, Measure measure, int maxLength) {
        ModelFolder found = ModelFolder.find(folder);
        this.measure = measure;
        this.model = found.model(DType.FP32, Device.CPU);
        try {
            if (model.spec().task() != Task.CAUSAL_LM) {
                throw QuernException.badInput(
                        "%s: a model for %s, but texts are scored by one for causal_lm; name another folder",
                        folder, model.spec().task().id());
            }
            this.tokenizer = found.tokenizer(model.config());
            this.longest = Math.min(maxLength, model.config().contextLength());
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    @Override
    public String name() {
        return measure.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public double[] score(List<String> texts) {
        return texts.stream().mapToDouble(this::score).toArray();
    }

    private synchronized double score(String text) {
        long[] ids = IntStream.concat(tokenizer.endOfText().stream(), Arrays.stream(tokenizer.encode(text)))
                .limit(longest)
                .asLongStream()
                .toArray();
        if (ids.length < 2) {
            return Double.NaN;
        }
        try (Scope scope = Scope.open()) {
            Tensor input = Tensor.of(ids, 1, ids.length);
            if (measure == Measure.GRADIENT_NORM) {
                return gradientNorm(input);
            }
            Tensor logits = model.logits(input, null);
            int vocabulary = (int) logits.size(2);
            float[] all = logits.toFloats();
            double sum = 0;
            for (int t = 0; t + 1 < ids.length; t++) {
                sum += measure == Measure.EL2N
                        ? errorNorm(all, t * vocabulary, vocabulary, (int) ids[t + 1])
                        : -logProbability(all, t * vocabulary, vocabulary, (int) ids[t + 1]);
            }
            double mean = sum / (ids.length - 1);
            return measure == Measure.EL2N ? mean : Math.exp(mean);
        }
    }

    private double gradientNorm(Tensor input) {
        double squares = 0;
        try (Tape tape = model.network().forward(model.lossInputs(input, null, input), Pass.evaluation())) {
            tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
            try (Autograd.Mode mode = Autograd.noGrad()) {
                for (Parameter parameter : model.parameters()) {
                    Tensor gradient = parameter.grad();
                    squares += gradient.isDefined() ? gradient.square().sum().item() : 0;
                }
            }
        } finally {
            model.parameters().forEach(Parameter::clearGrad);
        }
        return Math.sqrt(squares);
    }

    private static double logNormaliser(float[] logits, int from, int size) {
        double max = Double.NEGATIVE_INFINITY;
        for (int i = from; i < from + size; i++) {
            max = Math.max(max, logits[i]);
        }
        double sum = 0;
        for (int i = from; i < from + size; i++) {
            sum += Math.exp(logits[i] - max);
        }
        return max + Math.log(sum);
    }

    private static double logProbability(float[] logits, int from, int size, int target) {
        return logits[from + target] - logNormaliser(logits, from, size);
    }

    private static double errorNorm(float[] logits, int from, int size, int target) {
        double normaliser = logNormaliser(logits, from, size);
        double squares = 0;
        for (int i = 0; i < size; i++) {
            double error = Math.exp(logits[from + i] - normaliser) - (i == target ? 1 : 0);
            squares += error * error;
        }
        return Math.sqrt(squares);
    }

    @Override
    public void close() {
        model.close();
    }
}
