package quern.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.Network;
import quern.nn.SegmentHook;
import quern.tensor.Autograd;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Forward and backward of a small model, divided over CPU threads by the rows of a batch. Each thread has a model over
 * the same weights with gradients of its own and runs its operators alone; at the end the gradients are added in the order
 * of the parts, so the same number of threads gives the same bits. A small model's operators are too short to be
 * divided themselves: waking and waiting costs more than the second core brings.
 */
final class Replicas implements AutoCloseable {
    /** Up to this many weights a model's operators are short and its gradients cheap to add. */
    private static final long MAX_PARAMETERS = 4_000_000;

    /** One part of the work: its number, the network of its thread, its rows; gives its loss. */
    interface Part {
        double run(int part, Network network, Batch rows);
    }

    private final LanguageModel model;
    private final int threads;
    private final List<LanguageModel> others = new ArrayList<>();
    private final List<ExecutorService> workers = new ArrayList<>();

    Replicas(LanguageModel model, int threads) {
        this.model = model;
        this.threads = threads;
        for (int i = 1; i < threads; i++) {
            others.add(model.replica());
            int number = i;
            ExecutorService worker = Executors.newSingleThreadExecutor(task -> Thread.ofPlatform()
                    .name("quern-replica-" + number)
                    .daemon(true)
                    .unstarted(task));
            workers.add(worker);
        }
    }

    /** Whether dividing a step of this model pays. */
    static boolean pays(LanguageModel model, int threads) {
        return threads > 1 && !model.device().isCuda() && model.parameterCount() <= MAX_PARAMETERS;
    }

    /** Runs the parts at once, adds their gradients to the model's, and gives the sum of their losses. */
    double run(Batch batch, Part work) {
        int parts = Math.min(threads, batch.rows());
        List<Future<Double>> running = new ArrayList<>();
        // Threads started later take this number over, and so do the workers, which set it for themselves.
        Native.setThreads(1);
        try {
            for (int i = 1; i < parts; i++) {
                int part = i;
                Batch rows = rows(batch, part, parts);
                Network own = hooked(others.get(part - 1).network());
                running.add(workers.get(part - 1).submit(() -> {
                    Native.setThreads(1);
                    own.parameters().forEach(Parameter::clearGrad);
                    return rows.countedTokens() == 0 ? 0 : work.run(part, own, rows);
                }));
            }
            Batch first = rows(batch, 0, parts);
            RuntimeException failure = null;
            double loss = 0;
            try {
                loss = first.countedTokens() == 0 ? 0 : work.run(0, model.network(), first);
            } catch (RuntimeException e) {
                failure = e;
            }
            for (Future<Double> f : running) {
                try {
                    loss += await(f);
                } catch (RuntimeException e) {
                    failure = failure == null ? e : failure;
                }
            }
            if (failure != null) {
                throw failure;
            }
            for (int i = 1; i < parts; i++) {
                addGradients(others.get(i - 1));
            }
            return loss;
        } finally {
            Native.setThreads(threads);
        }
    }

    /** The network with the hooks that the model's own has, such as checkpointing. */
    private Network hooked(Network other) {
        for (SegmentHook hook : List.copyOf(other.hooks())) {
            other.removeHook(hook);
        }
        model.network().hooks().forEach(other::addHook);
        return other;
    }

    private static double await(Future<Double> future) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException r) {
                throw r;
            }
            throw new IllegalStateException(e.getCause());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void addGradients(LanguageModel other) {
        List<Parameter> mine = model.parameters();
        List<Parameter> theirs = other.parameters();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (int i = 0; i < mine.size(); i++) {
                Tensor gradient = theirs.get(i).grad();
                if (gradient.isDefined()) {
                    mine.get(i).addGrad(gradient);
                    theirs.get(i).clearGrad();
                }
            }
        }
    }

    /** Part {@code part} of a batch's rows, as even as can be; the first parts get one more. */
    private static Batch rows(Batch batch, int part, int parts) {
        int from = (int) ((long) batch.rows() * part / parts);
        int to = (int) ((long) batch.rows() * (part + 1) / parts);
        int columns = batch.columns();
        return new Batch(
                to - from,
                columns,
                Arrays.copyOfRange(batch.inputIds(), from * columns, to * columns),
                Arrays.copyOfRange(batch.labels(), from * columns, to * columns),
                Arrays.copyOfRange(batch.lengths(), from, to));
    }

    @Override
    public void close() {
        workers.forEach(ExecutorService::close);
        others.forEach(LanguageModel::close);
    }
}
