package quern.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import quern.data.Batch;
import quern.data.SharedPrefixes;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.nn.Segment;
import quern.nn.Tape;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.PartClock;

/**
 * One optimizer step: forward and backward over its micro-batches, the norm, clipping, the update. Every counted token of
 * the step weighs the same, however the step is split. A loss or gradient that is not finite stops the training before
 * any weight changes; in fp16 it leaves out the update and lowers the loss scale instead.
 */
final class TrainingStep {
    /** Something that is not finite: in words, and the segment where it came up first, if that can be told. */
    private record Fault(String what, Optional<String> segment) {}

    private final Network network;
    private final Device device;
    private final Optimizer optimizer;
    private final GradientClipping clipping;
    private final Regularization regularization;
    private final RandomStreams random;
    private final List<Parameter> parameters;
    private final Safeguards safeguards;
    private final Optional<OptimizerInBackward> inBackward;
    private Runnable beforeUpdates = () -> {};
    private Optional<CarriedMemories> memories = Optional.empty();
    private Optional<RowLosses> rowLosses = Optional.empty();
    private Optional<TaskUncertainty> uncertainty = Optional.empty();
    private boolean sharesPrefixes;
    private long readTokens;
    private long computedTokens;

    TrainingStep(
            Network network,
            Device device,
            Optimizer optimizer,
            GradientClipping clipping,
            Regularization regularization,
            long seed) {
        this(network, device, optimizer, clipping, regularization, seed, Safeguards.NONE, false);
    }

    TrainingStep(
            Network network,
            Device device,
            Optimizer optimizer,
            GradientClipping clipping,
            Regularization regularization,
            long seed,
            Safeguards safeguards,
            boolean inBackward) {
        this.safeguards = safeguards;
        this.inBackward = inBackward ? Optional.of(new OptimizerInBackward(optimizer, clipping)) : Optional.empty();
        this.inBackward.ifPresent(network::addHook);
        this.network = network;
        this.device = device;
        this.optimizer = optimizer;
        this.clipping = clipping;
        this.regularization = regularization;
        this.random = new RandomStreams(seed);
        this.parameters =
                network.parameters().stream().filter(Parameter::isTrainable).toList();
    }

    /** What every step does before it changes a weight or anything of the optimizer, after its passes where it can. */
    void beforeUpdates(Runnable action) {
        beforeUpdates = action;
    }

    /** Tells these the losses of each row. */
    void tell(RowLosses losses) {
        rowLosses = Optional.of(losses);
    }

    /** Hands these on from pass to pass. */
    void carry(CarriedMemories carried) {
        memories = Optional.of(carried);
    }

    /** Lets what documents of a pass begin with be computed once; the network must be able to. */
    void sharePrefixes() {
        sharesPrefixes = true;
    }

    /** The share of the tokens of all passes so far that went through the model; less than 1 where prefixes are shared. */
    double computedShare() {
        return readTokens == 0 ? 1 : (double) computedTokens / readTokens;
    }

    /** Weighs micro-batches by their tasks. */
    void weigh(TaskUncertainty tasks) {
        uncertainty = Optional.of(tasks);
    }

    /** What weighs micro-batches by their tasks, where something does. */
    Optional<TaskUncertainty> uncertainty() {
        return uncertainty;
    }

    /**
     * Takes step number {@code step}, counted from 0.
     *
     * @param batches the step's micro-batches
     */
    StepResult take(long step, List<Batch> batches, double learningRate) {
        if (inBackward.isPresent()) {
            return takeInBackward(inBackward.get(), step, batches, learningRate);
        }
        long start = System.nanoTime();
        double lossScale = safeguards.lossScale();
        Optional<GradientNoise> noise = safeguards.noise().filter(n -> n.due(step));
        Gradients gradients = gradients(step, batches, noise);
        beforeUpdates.run();
        PartClock.Part before = PartClock.enter(PartClock.Part.OPTIMIZER);
        double norm = Double.NaN;
        GradientClipping.Measurement measured = null;
        Optional<Fault> fault = gradients.fault;
        if (fault.isEmpty()) {
            measured = clipping.measure(parameters, 1 / lossScale);
            norm = measured.norm();
            fault = fault(norm);
        }
        StepResult.Update update = StepResult.Update.TAKEN;
        Optional<String> note = Optional.empty();
        Optional<SpikeDetector.Spike> spike =
                fault.isPresent() ? Optional.empty() : safeguards.spikes().flatMap(s -> s.judge(gradients.loss));
        if (fault.isPresent()) {
            if (safeguards.scaler().isEmpty()) {
                throw refused(step, fault.get(), gradients.loss, learningRate, batches);
            }
            update = StepResult.Update.OVERFLOWED;
            note = Optional.of(overflowed(step, fault.get(), gradients.loss, batches));
        } else if (spike.isPresent()) {
            update = StepResult.Update.SPIKED;
            note = Optional.of(leaveOut(step, spike.get(), batches));
        } else {
            double squaredNorm = norm * norm;
            noise.ifPresent(n -> n.end(squaredNorm, gradients.counted));
            optimizer.step(learningRate, measured.scale());
            uncertainty.ifPresent(TaskUncertainty::update);
            safeguards.scaler().ifPresent(LossScaler::taken);
            safeguards.spikes().ifPresent(s -> s.taken(gradients.loss));
        }
        PartClock.leave(before);
        return new StepResult(
                gradients.loss,
                norm,
                learningRate,
                batches.stream().mapToLong(Batch::realTokens).sum(),
                gradients.counted,
                batches.stream().mapToLong(Batch::rows).sum(),
                (System.nanoTime() - start) / 1e9,
                update,
                note,
                reports(gradients));
    }

    /** The whole batch in one pass, which takes the updates itself. */
    private StepResult takeInBackward(
            OptimizerInBackward updates, long step, List<Batch> batches, double learningRate) {
        long start = System.nanoTime();
        if (batches.size() != 1) {
            throw new IllegalArgumentException("updates inside the backward pass need one pass a step");
        }
        beforeUpdates.run();
        updates.begin(learningRate);
        Gradients gradients;
        try {
            gradients = gradients(step, batches, Optional.empty());
        } catch (OptimizerInBackward.NonFinite e) {
            dropGradients();
            safeguards.suspects().keep(step + 1, "not finite: " + e.getMessage(), Double.NaN, Map.of(), batches);
            throw QuernException.refused(
                    "step %d: %s at learning rate %s; with optimizer_in_backward a part of the weights was changed already, so this step is not saved and the last checkpoint stands; lower learning_rate, set max_grad_value, or train with precision: fp32",
                    step + 1, e.getMessage(), learningRate);
        }
        if (gradients.fault.isPresent()) {
            throw refused(step, gradients.fault.get(), gradients.loss, learningRate, batches);
        }
        uncertainty.ifPresent(TaskUncertainty::update);
        return new StepResult(
                gradients.loss,
                updates.norm(),
                learningRate,
                batches.stream().mapToLong(Batch::realTokens).sum(),
                gradients.counted,
                batches.stream().mapToLong(Batch::rows).sum(),
                (System.nanoTime() - start) / 1e9,
                StepResult.Update.TAKEN,
                Optional.empty(),
                reports(gradients));
    }

    /** What forward and backward of a step gave, besides the gradients that the parameters now hold. */
    private static final class Gradients {
        double loss;
        long counted;
        Optional<Fault> fault = Optional.empty();
        final Map<String, Double> reported = new TreeMap<>();
        int reports;

        void add(Map<String, Double> ofPass) {
            ofPass.forEach((name, value) -> reported.merge(name, value, Double::sum));
            reports++;
        }

        Map<String, Double> reports() {
            Map<String, Double> means = new TreeMap<>();
            reported.forEach((name, sum) -> means.put(name, sum / reports));
            return means;
        }
    }

    /** Forward and backward over the micro-batches, up to the first whose loss is not finite. */
    private Gradients gradients(long step, List<Batch> batches, Optional<GradientNoise> noise) {
        Gradients result = new Gradients();
        rowLosses.ifPresent(RowLosses::begin);
        result.counted = batches.stream().mapToLong(Batch::countedTokens).sum();
        if (result.counted == 0) {
            throw QuernException.badInput(
                    "step %d: none of the %d tokens of its batch counts, so there is nothing to learn; check the data's max_length and packing",
                    step + 1, batches.stream().mapToLong(Batch::realTokens).sum());
        }
        long rows = batches.stream().mapToLong(Batch::rows).sum();
        boolean accumulates = batches.size() > 1;
        noise.ifPresent(GradientNoise::begin);
        uncertainty.ifPresent(TaskUncertainty::begin);
        prepareGradients(accumulates);
        // Losses that are weighed by task are each batch's own.
        Optional<GradientCache> together =
                accumulates && uncertainty.isEmpty() ? GradientCache.of(network) : Optional.empty();
        if (together.isPresent()) {
            try (GradientCache cache = together.get()) {
                judgeTogether(cache, step, batches, 1.0 / result.counted, 1.0 / rows, result);
            }
            return result;
        }
        try (MicroGradients apart = noise.isPresent() ? new MicroGradients(parameters) : null) {
            for (int i = 0; i < batches.size() && result.fault.isEmpty(); i++) {
                Batch batch = batches.get(i);
                if (batch.countedTokens() == 0) {
                    rowLosses.ifPresent(r -> r.addUncounted(batch));
                    continue;
                }
                if (apart != null && i > 0) {
                    prepareGradients(accumulates);
                }
                if (uncertainty.isPresent()) {
                    weighed(uncertainty.get(), step, i, batches, result);
                } else {
                    forwardBackward(step, i, batch, 1.0 / result.counted, 1.0 / rows, result);
                }
                if (apart != null) {
                    // The micro-batch's own mean gradient: its share of the whole step's taken out again.
                    double share = (double) batch.countedTokens() / result.counted;
                    double scale = 1 / (safeguards.lossScale() * share);
                    noise.get().addSmall(MicroGradients.squaredNorm(parameters, scale), batch.countedTokens());
                    apart.take();
                }
            }
            if (apart != null) {
                apart.giveBack();
            }
        }
        return result;
    }

    /** Forward and backward of a loss that tells the rows of all micro-batches from each other. */
    private void judgeTogether(
            GradientCache cache, long step, List<Batch> batches, double weight, double rowWeight, Gradients result) {
        for (int micro = 0; micro < batches.size(); micro++) {
            try (Scope scope = Scope.open()) {
                cache.embed(flow(batches.get(micro), weight, rowWeight), pass(step, micro));
            }
        }
        result.loss = cache.judge(pass(step, 0), safeguards.lossScale());
        if (!Double.isFinite(result.loss)) {
            result.fault = Optional.of(notFinite(
                    result.loss,
                    cache.firstNonFinite(
                            micro -> flow(batches.get(micro), weight, rowWeight), micro -> pass(step, micro))));
            return;
        }
        for (int micro = 0; micro < batches.size(); micro++) {
            Map<String, Double> reports = new TreeMap<>();
            try (Scope scope = Scope.open()) {
                cache.backward(
                        micro,
                        flow(batches.get(micro), weight, rowWeight),
                        pass(step, micro).withReports(reports));
            }
            result.add(reports);
        }
    }

    private Pass pass(long step, int micro) {
        return Pass.training(random.seed("dropout", step, micro))
                .with(regularization)
                .withLossScale(safeguards.lossScale());
    }

    private static Fault notFinite(double loss, Optional<Tape.NonFinite> first) {
        String where =
                first.map(w -> "first in " + w).orElse("every inner tensor is finite, the loss alone overflowed");
        return new Fault("the loss is %s (%s)".formatted(loss, where), first.map(Tape.NonFinite::segment));
    }

    /** A micro-batch whose mean loss counts what its task does; the step's loss is the mean of all unweighed. */
    private void weighed(TaskUncertainty tasks, long step, int micro, List<Batch> batches, Gradients result) {
        Batch batch = batches.get(micro);
        double before = result.loss;
        double weight = tasks.weight(step, micro) / batches.size();
        forwardBackward(step, micro, batch, weight / batch.countedTokens(), weight / batch.rows(), result);
        double loss = (result.loss - before) / weight;
        result.loss = before + loss / batches.size();
        tasks.heard(step, micro, batches.size(), loss);
    }

    private Map<String, Double> reports(Gradients gradients) {
        Map<String, Double> all = gradients.reports();
        uncertainty.ifPresent(tasks -> all.putAll(tasks.reports()));
        return all;
    }

    /**
     * Forward and backward without an update, to see what they need; the gradients are dropped.
     *
     * @param batches as for {@link #take}
     */
    void rehearse(long step, List<Batch> batches) {
        try {
            gradients(step, batches, Optional.empty());
        } finally {
            dropGradients();
        }
    }

    /** Drops all gradients, as after a step that was broken off. */
    void dropGradients() {
        parameters.forEach(Parameter::clearGrad);
    }

    private void prepareGradients(boolean accumulates) {
        for (Parameter p : parameters) {
            if (accumulates && p.value().dtype() != DType.FP32) {
                p.accumulateInFp32();
            } else {
                p.recycleGrad();
            }
        }
    }

    private void forwardBackward(long step, int micro, Batch batch, double weight, double rowWeight, Gradients result) {
        Map<String, Double> reports = new TreeMap<>();
        Pass pass = pass(step, micro).withReports(reports);
        try (Scope scope = Scope.open();
                Tape tape = network.forward(flow(batch, weight, rowWeight), pass)) {
            double loss = tape.get("loss").item();
            result.loss += loss;
            if (!Double.isFinite(loss)) {
                result.fault = Optional.of(notFinite(loss, tape.firstNonFinite()));
                // What this pass would have handed on may not be finite, and what it was handed is a pass too old.
                memories.ifPresent(CarriedMemories::close);
                return;
            }
            result.add(reports);
            rowLosses.ifPresent(r -> r.add(batch, tape.get("logprobs")));
            memories.ifPresent(m -> m.take(tape::get));
            tape.backward(Map.of("loss", Tensor.full(safeguards.lossScale(), DType.FP32, device, 1)));
        }
    }

    private Flow flow(Batch batch, double weight, double rowWeight) {
        PartClock.Part before = PartClock.enter(PartClock.Part.DATA);
        // The losses of rows are read token by token.
        Optional<SharedPrefixes> shared =
                sharesPrefixes && rowLosses.isEmpty() ? SharedPrefixes.of(batch) : Optional.empty();
        readTokens += batch.realTokens();
        computedTokens += shared.map(s -> (long) s.tokens().length).orElse(batch.realTokens());
        Flow flow = TokenTensors.flow(batch, shared, weight, rowWeight, device);
        memories.ifPresent(m -> m.put(flow, batch));
        PartClock.leave(before);
        return flow;
    }

    /** The first gradient in the order of backward that is not finite, where the norm of all is not. */
    private Optional<Fault> fault(double norm) {
        if (Double.isFinite(norm)) {
            return Optional.empty();
        }
        for (Segment segment : network.visits().reversed()) {
            for (Parameter p : segment.parameters().reversed()) {
                try (Scope scope = Scope.open()) {
                    Tensor grad = p.grad();
                    if (p.isTrainable()
                            && grad.isDefined()
                            && grad.isFinite().logicalNot().sum().item() > 0) {
                        return Optional.of(new Fault(
                                "the gradient of '%s' (segment '%s') is not finite".formatted(p.name(), segment.name()),
                                Optional.of(segment.name())));
                    }
                }
            }
        }
        return Optional.of(new Fault("the norm of all gradients is not finite", Optional.empty()));
    }

    /** The kind of clipping that can be asked for: updates in the backward pass know no norm of all gradients. */
    private String clipping() {
        return inBackward.isPresent() ? "max_grad_value" : "max_grad_norm";
    }

    private QuernException refused(long step, Fault fault, double loss, double learningRate, List<Batch> batches) {
        safeguards.suspects().keep(step + 1, "not finite: " + fault.what(), loss, Map.of(), batches);
        return QuernException.refused(
                "step %d: %s at learning rate %s; no weight was changed and the last checkpoint stands; lower learning_rate, set %s, or train with precision: fp32",
                step + 1, fault.what(), learningRate, clipping());
    }

    /** Lowers the loss scale, or lets the segment that overflowed change to bf16; says which. */
    private String overflowed(long step, Fault fault, double loss, List<Batch> batches) {
        LossScaler scaler = safeguards.scaler().orElseThrow();
        double before = scaler.scale();
        List<String> converted =
                fault.segment().isEmpty() || safeguards.segments().isEmpty()
                        ? List.of()
                        : safeguards
                                .segments()
                                .get()
                                .overflowed(step + 1, fault.segment().get(), scaler.isAtFloor());
        if (!converted.isEmpty()) {
            return "step %d: no update, %s in fp16; from now on in bf16: %s"
                    .formatted(step + 1, fault.what(), String.join(", ", converted));
        }
        if (scaler.isAtFloor()) {
            safeguards.suspects().keep(step + 1, "overflow: " + fault.what(), loss, Map.of(), batches);
        }
        scaler.overflowed(step + 1, fault.what());
        return "step %d: no update, %s in fp16; loss scale %s, was %s"
                .formatted(step + 1, fault.what(), scaler.scale(), before);
    }

    private String leaveOut(long step, SpikeDetector.Spike spike, List<Batch> batches) {
        Map<String, Double> facts = new LinkedHashMap<>();
        facts.put("mean", spike.mean());
        facts.put("deviation", spike.deviation());
        facts.put("limit", spike.limit());
        safeguards.suspects().keep(step + 1, "spike", spike.loss(), facts, batches);
        safeguards.spikes().orElseThrow().leftOut(step + 1, spike);
        return "step %d: no update, the loss of %.4f is above %.4f, %s deviations over the mean of %.4f; the batch is in %s"
                .formatted(
                        step + 1,
                        spike.loss(),
                        spike.limit(),
                        safeguards.spikes().get().threshold(),
                        spike.mean(),
                        KeptBatches.FILE);
    }

    /**
     * Refuses weights that are not finite, which an update with a huge rate leaves and the next step would find: they must
     * not be saved.
     *
     * @param step steps taken
     */
    void requireFiniteWeights(long step) {
        try (Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter p : parameters) {
                try (Scope scope = Scope.open()) {
                    // A finite sum has finite terms, and one that is not may be one of finite terms.
                    if (!Double.isFinite(p.value().sum().item())
                            && p.value().isFinite().logicalNot().sum().item() > 0) {
                        throw QuernException.refused(
                                "step %d: the update left '%s' not finite; this step is not saved and the last checkpoint stands; lower learning_rate or set %s",
                                step, p.name(), clipping());
                    }
                }
            }
        }
    }
}
