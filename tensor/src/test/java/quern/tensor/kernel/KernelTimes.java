package quern.tensor.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Times the kernels at a model's sizes: {@code java quern.tensor.kernel.KernelTimes [threads]}. */
final class KernelTimes {
    private static final int ROUNDS = 25;

    private KernelTimes() {}

    public static void main(String[] args) {
        if (args.length > 0) {
            KernelThreads.setCount(Integer.parseInt(args[0]));
        }
        System.out.printf(
                "%d threads, vectors of %d bits, %d rounds: median (best) ms%n",
                KernelThreads.count(), Lanes.bits(), ROUNDS);
        updates(30_000_000);
        crossEntropy(512, 50_304);
    }

    private static void updates(long n) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment gradient = bf16(arena, n, 0.01);
            MemorySegment weight = bf16(arena, n, 1);
            MemorySegment master = arena.allocate(n * 4, 64);
            MemorySegment m = arena.allocate(n * 4, 64);
            MemorySegment v = arena.allocate(n * 4, 64);
            AccumulateKernel.add(master, weight, ElementType.BF16, n, 1);
            UpdateKernel.Memory adam =
                    new UpdateKernel.Memory(gradient, ElementType.BF16, master, List.of(m, v), weight, n);
            UpdateKernel.Memory lion =
                    new UpdateKernel.Memory(gradient, ElementType.BF16, master, List.of(m), weight, n);
            time(
                    "AdamW 30 M, bf16 gradient and weight",
                    adam,
                    new AdamUpdate(new AdamUpdate.Step(1e-3, 0.9, 0.95, 1e-8, 0.1, true, 10)));
            time("Lion 30 M, bf16 gradient and weight", lion, new LionUpdate(1e-3, 0.9, 0.99, 0.1));
            time("norm 30 M bf16", () -> NormKernel.sumOfSquares(gradient, ElementType.BF16, n));
            time("accumulate 30 M bf16", () -> AccumulateKernel.add(m, gradient, ElementType.BF16, n, 1));
        }
    }

    private static void crossEntropy(long rows, long columns) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment values = bf16(arena, rows * columns, 3);
            MemorySegment logits = arena.allocate(rows * columns * 2, 64);
            MemorySegment targets = arena.allocate(rows * 8, 8);
            MemorySegment weights = arena.allocate(rows * 4, 4);
            MemorySegment out = arena.allocate(rows * 4, 4);
            for (long i = 0; i < rows; i++) {
                targets.set(ValueLayout.JAVA_LONG, i * 8, i * 97 % columns);
                weights.set(ValueLayout.JAVA_FLOAT, i * 4, 1f / rows);
            }
            CrossEntropyKernel.Logits block =
                    new CrossEntropyKernel.Logits(logits, ElementType.BF16, rows, columns, columns);
            CrossEntropyKernel.Targets wanted =
                    new CrossEntropyKernel.Targets(targets, CrossEntropyKernel.IndexType.INT64);
            time("log-probabilities [512, 50304] bf16", () -> CrossEntropyKernel.logProbabilities(block, wanted, out));
            time(
                    "log-probabilities and gradient [512, 50304] bf16",
                    () -> logits.copyFrom(values),
                    () -> CrossEntropyKernel.logProbabilitiesAndGradient(block, wanted, weights, out));
        }
    }

    private static MemorySegment bf16(Arena arena, long n, double scale) {
        MemorySegment segment = arena.allocate(n * 2, 64);
        SplittableRandom random = new SplittableRandom(1);
        for (long i = 0; i < n; i++) {
            segment.set(ValueLayout.JAVA_SHORT, i * 2, Bf16.fromFloat((float) (scale * (random.nextDouble() - 0.5))));
        }
        return segment;
    }

    private static void time(String what, UpdateKernel.Memory memory, Update update) {
        time(
                what,
                () -> Blocks.run(
                        memory.elements(),
                        (block, begin, end) -> UpdateKernel.step(memory, begin, end - begin, 0.5f, update)));
    }

    private static void time(String what, Runnable work) {
        time(what, () -> {}, work);
    }

    private static void time(String what, Runnable prepare, Runnable work) {
        double[] times = new double[ROUNDS];
        for (int round = -5; round < ROUNDS; round++) {
            prepare.run();
            long start = System.nanoTime();
            work.run();
            if (round >= 0) {
                times[round] = (System.nanoTime() - start) / 1e6;
            }
        }
        Arrays.sort(times);
        System.out.printf("%-52s %7.1f (%.1f)%n", what, times[ROUNDS / 2], times[0]);
    }
}
