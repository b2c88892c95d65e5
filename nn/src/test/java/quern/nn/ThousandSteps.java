package quern.nn;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Trains a toy for a thousand steps and prints, for the last 700 of them, by how much kept handles, live handles and
 * resident kilobytes grew. Run by {@link TapeTest} in a JVM of its own, whose heap is touched beforehand and never
 * resized, so that resident memory shows native memory alone.
 */
final class ThousandSteps {
    private static final int WARM_UP = 300;

    private ThousandSteps() {}

    public static void main(String[] args) throws IOException {
        ToyModel.Shape shape = ToyModel.Shape.PLAIN.withTiedEnds().visited(2).withDropout(0.1);
        try (Network network = ToyModel.decoder(shape, 1)) {
            network.addHook(new GradientCheckpointing(s -> s.name().equals("layers.1")));
            for (int i = 0; i < WARM_UP; i++) {
                step(network, i);
            }
            long kept = Tensor.keptHandles();
            long live = Native.liveHandles();
            long resident = residentKilobytes();
            for (int i = WARM_UP; i < 1000; i++) {
                step(network, i);
            }
            System.out.printf(
                    "kept %d live %d resident %d%n",
                    Tensor.keptHandles() - kept, Native.liveHandles() - live, residentKilobytes() - resident);
        }
    }

    private static void step(Network network, int i) {
        try (Scope scope = Scope.open()) {
            try (Tape tape = network.forward(ToyModel.batch(i, 2, 12), Pass.training(i))) {
                tape.backward(Gradients.seedLoss());
            }
            for (Parameter p : network.parameters()) {
                p.value().detach().add_(p.grad(), -0.01);
                p.clearGrad();
            }
        }
    }

    private static long residentKilobytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException("/proc/self/status has no VmRSS");
    }
}
