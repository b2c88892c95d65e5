package quern.curate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.TokenEmbedding;
import quern.optim.Optimizer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.train.Preparation;

/**
 * Dataset condensation with gradient matching (Zhao et al. 2021, arXiv:2006.05929, algorithm 1): rows whose gradient, at the
 * weights that training meets, points where the text's does. For each of K new models θ, T times: one step of the rows S
 * down the distance D(∇θ L(S), ∇θ L(text)), then {@code updates} steps of θ. D is the paper's equation 4: over the outputs
 * of every layer, {@code 1 - cos} of the two gradients of the weights into that output; a norm's or a bias's vector counts as
 * one output.
 *
 * <p>For text, rows are free vectors [S, T, D] in the place of token vectors (Sucholutsky and Schonlau 2021,
 * arXiv:1910.02551) with learnt soft targets [S, T, V], both taken from rows of the text at first; token vectors stay fixed and are
 * part of the set. {@code initializations} is K, {@code steps} T, {@code matched_rows} the size of a batch of text.
 *
 * <p>Deviations: the rows' own steps are Adam's, and so are θ's as the recipe says (both are SGD's in the paper); there are no
 * classes, so one distance is taken of all rows; the models' steps learn from the text, as in Kim et al. 2022
 * (arXiv:2205.14959), unless {@code trained_on: set} asks for the paper's own, from the rows. Models are without dropout.
 */
public final class GradientMatching implements DatasetDistillation {
    /** What the first soft targets give to other tokens than the right one, all together. */
    private static final double SPREAD = 0.1;

    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.999;
    private static final double EPSILON = 1e-8;

    /** Below any gradient that matters, and with a root that fp32 holds: an output without gradient has cosine 0. */
    private static final double LEAST_SQUARE = 1e-20;

    /** What a model's weights move by between two steps of the rows. */
    public enum TrainedOn {
        /** The rows as they are by then. */
        SET,
        /** The text. */
        TEXT
    }

    /**
     * @param initializations new models, one after another
     * @param steps of the rows for each model
     * @param matchedRows rows of text whose mean gradient is matched at each step
     * @param updates steps of the model between two of the rows
     * @param vectorLearningRate of the vectors, in standard deviations of the token vectors
     * @param targetLearningRate of the logarithms of the soft targets
     * @param trainedOn what the model's steps learn from
     */
    public record Config(
            @Doc("New models, one after another.") @Default("40") @Range(min = 1)
            int initializations,

            @Doc("Steps of the rows for each model.") @Default("10") @Range(min = 1)
            int steps,

            @Doc("Rows of text whose mean gradient is matched at each step.") @Default("64") @Range(min = 1)
            int matchedRows,

            @Doc("Steps of the model between two of the rows.") @Default("1") @Range(min = 0)
            int updates,

            @Doc("Learning rate of the vectors, in standard deviations of the token vectors.")
            @Default("0.05")
            @Range(min = 0)
            double vectorLearningRate,

            @Doc("Learning rate of the logarithms of the soft targets.") @Default("0.1") @Range(min = 0)
            double targetLearningRate,

            @Doc("What the models' steps learn from: text, or set (the rows).") @Default("text")
            TrainedOn trainedOn) {}

    @Override
    public String id() {
        return "gradient_matching";
    }

    @Override
    public String summary() {
        return "learns vectors and soft targets whose gradients point where the text's do";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    /**
     * How far two gradients point apart: the sum over outputs of {@code 1 - cos}, and how many outputs there are.
     *
     * @param sum scalar, between 0 and twice {@code outputs}
     */
    public record Distance(Tensor sum, long outputs) {}

    /**
     * The distance of two gradients, a tensor a parameter; a matrix [out, in] has {@code out} outputs. A parameter whose
     * gradient is undefined in either is left out.
     *
     * @throws IllegalArgumentException where nothing is left
     */
    public static Distance distance(List<Tensor> ofSet, List<Tensor> ofText) {
        Tensor sum = null;
        long outputs = 0;
        for (int i = 0; i < ofSet.size(); i++) {
            if (!ofSet.get(i).isDefined() || !ofText.get(i).isDefined()) {
                continue;
            }
            Tensor a = byOutput(ofSet.get(i));
            Tensor b = byOutput(ofText.get(i));
            Tensor cosine = a.mul(b).sum(false, 1).div(norm(a).mul(norm(b)));
            Tensor apart = cosine.neg().add(1).sum();
            sum = sum == null ? apart : sum.add(apart);
            outputs += a.size(0);
        }
        if (sum == null) {
            throw new IllegalArgumentException("no parameter has both gradients");
        }
        return new Distance(sum, outputs);
    }

    private static Tensor byOutput(Tensor gradient) {
        return gradient.dim() < 2 ? gradient.reshape(1, -1) : gradient.reshape(gradient.size(0), -1);
    }

    private static Tensor norm(Tensor x) {
        return x.square().sum(false, 1).add(LEAST_SQUARE).sqrt();
    }

    /**
     * The gradient of the rows' loss with respect to {@code parameters}, itself differentiable.
     *
     * @param vectors [S, T, D]
     * @param targetLogits [S, T, V], the soft targets before softmax
     * @param weights fp32 [S, T]
     */
    public static List<Tensor> gradientOfRows(
            Network network, List<Tensor> parameters, Tensor vectors, Tensor targetLogits, Tensor weights) {
        Tensor loss = lossOfRows(network, vectors, targetLogits, weights);
        return Autograd.grad(List.of(loss), parameters, List.of(one(loss.device())), true, true);
    }

    private static Tensor lossOfRows(Network network, Tensor vectors, Tensor targetLogits, Tensor weights) {
        Flow flow = new Flow()
                .put("input_ids", Tensor.zeros(DType.INT64, vectors.device(), vectors.size(0), vectors.size(1)))
                .put(TokenEmbedding.INPUTS_EMBEDS, vectors);
        Tensor logits = network.wholeGraph(Map.of(), flow, Pass.evaluation()).get("logits");
        return SoftTargetLoss.loss(logits, Functional.softmax(targetLogits, -1), weights);
    }

    /** The gradient of a text's mean loss with respect to {@code parameters}, a constant. */
    public static List<Tensor> gradientOfText(Network network, List<Tensor> parameters, Flow text) {
        Tensor loss = network.wholeGraph(Map.of(), text, Pass.evaluation()).get("loss");
        return Autograd.grad(List.of(loss), parameters, List.of(one(loss.device())), false, false);
    }

    /** Rows of text as a model reads them, with weights of a mean. */
    static Flow flow(TokenRows rows, Device device) {
        long[] shape = {rows.rows(), rows.columns()};
        return new Flow()
                .put("input_ids", Tensor.of(rows.ids(), shape).to(DType.INT64).to(device))
                .put("targets", Tensor.of(rows.labels(), shape).to(DType.INT64).to(device))
                .put("weights", weights(rows, device));
    }

    private static Tensor weights(TokenRows rows, Device device) {
        float weight = (float) (1.0 / Math.max(1, rows.counted()));
        float[] weights = new float[rows.labels().length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = rows.labels()[i] == Batch.NOT_COUNTED ? 0 : weight;
        }
        return Tensor.of(weights, rows.rows(), rows.columns()).to(device);
    }

    private static Tensor one(Device device) {
        return Tensor.full(1, DType.FP32, device, 1);
    }

    @Override
    public Learner begin(Problem problem, Record config) {
        Preparation training = problem.training();
        if (training.recipe().precision() != Precision.FP32) {
            throw QuernException.badInput(
                    "%s: precision: %s, but gradients of gradients are taken in fp32; set precision: fp32",
                    training.block().position("precision"),
                    training.recipe().precision().name().toLowerCase(Locale.ROOT));
        }
        if (problem.rows() > problem.text().count()) {
            throw QuernException.badInput(
                    "%s: rows: %,d, but the text has only %,d; lower it or give more text",
                    training.block().position(), problem.rows(), problem.text().count());
        }
        return new Matcher(problem, (Config) config);
    }

    /** A leaf of the rows with the moments of its Adam. */
    private static final class Leaf implements AutoCloseable {
        private final String name;
        private final double rate;
        private final Tensor value;
        private final Tensor first;
        private final Tensor second;

        Leaf(String name, double rate, Tensor value) {
            this.name = name;
            this.rate = rate;
            this.value = value.detach().keep();
            this.value.requiresGrad_(true);
            this.first = Tensor.zeros(DType.FP32, value.device(), value.shape()).keep();
            this.second =
                    Tensor.zeros(DType.FP32, value.device(), value.shape()).keep();
        }

        /** @param step counted from 1 */
        void step(Tensor gradient, long step) {
            try (Autograd.Mode mode = Autograd.noGrad()) {
                first.mul_(BETA1).add_(gradient, 1 - BETA1);
                second.mul_(BETA2).add_(gradient.square(), 1 - BETA2);
                Tensor mean = first.div(1 - Math.pow(BETA1, step));
                Tensor deviation = second.div(1 - Math.pow(BETA2, step)).sqrt().add(EPSILON);
                value.add_(mean.div(deviation), -rate);
            }
        }

        void save(Map<String, float[]> into) {
            into.put(name, value.toFloats());
            into.put(name + ".first_moment", first.toFloats());
            into.put(name + ".second_moment", second.toFloats());
        }

        void load(Map<String, float[]> from) {
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                value.copy_(Tensor.of(from.get(name), value.shape()));
                first.copy_(Tensor.of(from.get(name + ".first_moment"), value.shape()));
                second.copy_(Tensor.of(from.get(name + ".second_moment"), value.shape()));
            }
        }

        @Override
        public void close() {
            value.close();
            first.close();
            second.close();
        }
    }

    /** The rows on their way; a round is a model. */
    private static final class Matcher implements Learner {
        private final Problem problem;
        private final Config config;
        private final Device device;
        private final RandomStreams random;
        private final TokenRows start;
        private final float[] tokenVectors;
        private final long[] table;
        private final Leaf vectors;
        private final Leaf targets;
        private float[] losses = {};
        private int done;

        Matcher(Problem problem, Config config) {
            this.problem = problem;
            this.config = config;
            this.device = problem.training().device();
            this.random = new RandomStreams(problem.training().recipe().seed());
            this.start = problem.text().range(0, problem.rows());
            try (Scope scope = Scope.open();
                    LanguageModel model = problem.training().model()) {
                Parameter tokens = embedding(model).table();
                this.table = tokens.value().shape();
                this.tokenVectors = tokens.value().toFloats();
                Tensor ids = Tensor.of(start.ids(), start.rows(), start.columns())
                        .to(DType.INT64)
                        .to(device);
                double deviation = deviation(tokenVectors);
                this.vectors = new Leaf(
                        "vectors", config.vectorLearningRate() * deviation, Functional.embedding(tokens.value(), ids));
                this.targets = new Leaf("targets", config.targetLearningRate(), firstTargets(start, table[0], device));
            }
        }

        private TokenEmbedding embedding(LanguageModel model) {
            return LearntRows.embedding(
                    model, problem.training().recipe().model().position().toString());
        }

        private static double deviation(float[] values) {
            double sum = 0;
            double squares = 0;
            for (float value : values) {
                sum += value;
                squares += (double) value * value;
            }
            double mean = sum / values.length;
            return Math.sqrt(Math.max(0, squares / values.length - mean * mean));
        }

        /** Logarithms of probabilities: the right token has nearly all. */
        private static Tensor firstTargets(TokenRows rows, long vocabulary, Device device) {
            float[] logits = new float[Math.multiplyExact(rows.labels().length, Math.toIntExact(vocabulary))];
            Arrays.fill(logits, (float) Math.log(SPREAD / vocabulary));
            for (int i = 0; i < rows.labels().length; i++) {
                if (rows.labels()[i] != Batch.NOT_COUNTED) {
                    logits[Math.toIntExact(i * vocabulary + rows.labels()[i])] =
                            (float) Math.log(1 - SPREAD + SPREAD / vocabulary);
                }
            }
            return Tensor.of(logits, rows.rows(), rows.columns(), vocabulary).to(device);
        }

        @Override
        public int rounds() {
            return config.initializations();
        }

        @Override
        public int done() {
            return done;
        }

        @Override
        public void round() {
            Preparation training = problem.training();
            try (LanguageModel model = model(done);
                    Optimizer optimizer = training.optimizer(model.network())) {
                for (int t = 0; t < config.steps(); t++) {
                    long step = (long) done * config.steps() + t;
                    float loss = (float) match(model, step);
                    if (!Float.isFinite(loss)) {
                        throw QuernException.refused(
                                "step %d of the rows: the distance of the gradients is %s; lower vector_learning_rate, target_learning_rate or the recipe's learning_rate",
                                step + 1, loss);
                    }
                    losses = Arrays.copyOf(losses, losses.length + 1);
                    losses[losses.length - 1] = loss;
                    for (int u = 0; u < config.updates(); u++) {
                        update(model, optimizer, step * config.updates() + u);
                    }
                    problem.progress().step(step + 1, (long) rounds() * config.steps(), loss);
                }
            }
            done++;
        }

        /** A new model beside the fixed token vectors, or that of the recipe's folder. */
        private LanguageModel model(int number) {
            Preparation training = problem.training();
            boolean fromFolder = training.recipe().model().has("path");
            LanguageModel model = fromFolder
                    ? training.model()
                    : LanguageModel.create(training.spec(), DType.FP32, device, random.seed("initialization", number));
            boolean ready = false;
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                Parameter tokens = embedding(model).table();
                tokens.value().copy_(Tensor.of(tokenVectors, table));
                tokens.setTrainable(false);
                ready = true;
                return model;
            } finally {
                if (!ready) {
                    model.close();
                }
            }
        }

        /** One step of the rows; the mean distance of an output. */
        private double match(LanguageModel model, long step) {
            Network network = model.network();
            try (Scope scope = Scope.open()) {
                List<Tensor> parameters = network.parameters().stream()
                        .filter(Parameter::isTrainable)
                        .map(Parameter::value)
                        .toList();
                List<Tensor> ofText = gradientOfText(network, parameters, text(step, 0));
                List<Tensor> ofRows =
                        gradientOfRows(network, parameters, vectors.value, targets.value, weights(start, device));
                Distance distance = distance(ofRows, ofText);
                List<Tensor> gradients = Autograd.grad(
                        List.of(distance.sum()),
                        List.of(vectors.value, targets.value),
                        List.of(Tensor.full(1, DType.FP32, device)),
                        false,
                        false);
                vectors.step(gradients.get(0), step + 1);
                targets.step(gradients.get(1), step + 1);
                return distance.sum().item() / distance.outputs();
            }
        }

        /** Other rows for every step, and others for the model's own than for the rows'. */
        private Flow text(long step, int use) {
            int uses = 1 + (config.trainedOn() == TrainedOn.TEXT ? config.updates() : 0);
            long first = problem.rows() + (step * uses + use) * config.matchedRows();
            return flow(problem.text().range(first, config.matchedRows()), device);
        }

        private void update(LanguageModel model, Optimizer optimizer, long number) {
            Network network = model.network();
            model.parameters().forEach(Parameter::clearGrad);
            try (Scope scope = Scope.open()) {
                Tensor loss;
                if (config.trainedOn() == TrainedOn.SET) {
                    loss = lossOfRows(network, vectors.value.detach(), targets.value.detach(), weights(start, device));
                } else {
                    long step = number / config.updates();
                    Flow text = text(step, 1 + Math.toIntExact(number % config.updates()));
                    loss = network.wholeGraph(Map.of(), text, Pass.evaluation()).get("loss");
                }
                Autograd.backward(List.of(loss), List.of(one(device)));
                optimizer.step(problem.training().recipe().learningRate(), 1);
            }
            model.parameters().forEach(Parameter::clearGrad);
        }

        @Override
        public SmallSet rows() {
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                Tensor probabilities = Functional.softmax(targets.value, -1);
                SmallSet.Learnt learnt = new SmallSet.Learnt(
                        Math.toIntExact(table[0]),
                        Math.toIntExact(table[1]),
                        vectors.value.toFloats(),
                        probabilities.toFloats(),
                        tokenVectors);
                int[] labels = ints(probabilities.argmax(-1));
                for (int i = 0; i < labels.length; i++) {
                    labels[i] = start.labels()[i] == Batch.NOT_COUNTED ? Batch.NOT_COUNTED : labels[i];
                }
                TokenRows rows = new TokenRows(start.rows(), start.columns(), ints(nearest()), labels);
                return new SmallSet(
                        rows,
                        Optional.of(learnt),
                        problem.training().tokenizer().fingerprint(),
                        Map.of());
            }
        }

        /** The token whose vector has the largest cosine with each of the rows'. */
        private Tensor nearest() {
            Tensor tokens_VD = Tensor.of(tokenVectors, table).to(device);
            Tensor unit_VD = tokens_VD.div(
                    tokens_VD.square().sum(true, 1).add(LEAST_SQUARE).sqrt());
            return vectors.value.matmul(unit_VD.t()).argmax(-1);
        }

        private static int[] ints(Tensor whole) {
            return Arrays.stream(whole.toLongs()).mapToInt(Math::toIntExact).toArray();
        }

        @Override
        public LearnerState state() {
            Map<String, float[]> values = new LinkedHashMap<>();
            vectors.save(values);
            targets.save(values);
            values.put("losses", losses);
            return new LearnerState(done, values);
        }

        @Override
        public void load(LearnerState state) {
            vectors.load(state.values());
            targets.load(state.values());
            losses = state.values().get("losses").clone();
            done = state.done();
        }

        @Override
        public float[] losses() {
            return losses.clone();
        }

        @Override
        public void close() {
            new ArrayList<>(List.of(vectors, targets)).forEach(Leaf::close);
        }
    }
}
