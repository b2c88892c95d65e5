package quern.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.nn.AttentionImplementation;
import quern.nn.DenseLinear;
import quern.nn.Flow;
import quern.nn.Linear;
import quern.nn.Mask;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.SelfAttention;
import quern.nn.SparsePattern;
import quern.nn.Tape;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.train.ProcessMemory;

/**
 * Time and memory of attention over one text of T tokens, forward and backward: all scores at once, in blocks, and in blocks
 * behind sparse patterns. The attention is a block's, with its maps, 4 heads 64 wide.
 * Prints a line of JSON for each. Ways take turns, so that what else the machine does falls on all.
 */
public final class AttentionCost {
    private static final int HEADS = 4;
    private static final int HEAD_WIDTH = 64;
    private static final int WIDTH = HEADS * HEAD_WIDTH;

    private record Way(Mask mask, AttentionImplementation implementation) {}

    private static final Map<String, Way> WAYS = new LinkedHashMap<>();

    static {
        WAYS.put("eager", new Way(Mask.causal(), AttentionImplementation.EAGER));
        WAYS.put("flash", new Way(Mask.causal(), AttentionImplementation.FLASH));
        WAYS.put("local", new Way(Mask.slidingWindow(256), AttentionImplementation.FLASH));
        WAYS.put("strided", new Way(Mask.causal(new SparsePattern.Strided(128)), AttentionImplementation.FLASH));
        WAYS.put("block", new Way(Mask.causal(new SparsePattern.Blocks(64, 1, 1)), AttentionImplementation.FLASH));
        WAYS.put(
                "local_global",
                new Way(Mask.causal(new SparsePattern.Globals(256, 16)), AttentionImplementation.FLASH));
    }

    private AttentionCost() {}

    /**
     * Takes {@code time fp32|bf16 ROUNDS T...}: for each T the seconds of all ways in turn; or {@code memory fp32|bf16 WAY T}: the
     * peak of resident memory of one way in this process.
     */
    public static void main(String[] arguments) {
        DType dtype = arguments[1].equals("bf16") ? DType.BF16 : DType.FP32;
        if (arguments[0].equals("memory")) {
            memory(dtype, arguments[2], Integer.parseInt(arguments[3]));
            return;
        }
        int rounds = Integer.parseInt(arguments[2]);
        for (String length : Arrays.asList(arguments).subList(3, arguments.length)) {
            time(dtype, rounds, Integer.parseInt(length));
        }
    }

    private static void time(DType dtype, int rounds, int length) {
        Map<String, List<double[]>> seconds = new LinkedHashMap<>();
        for (int round = 0; round <= rounds; round++) {
            for (Map.Entry<String, Way> way : WAYS.entrySet()) {
                double[] took = run(way.getValue(), dtype, length);
                // The first round warms up.
                if (round > 0) {
                    seconds.computeIfAbsent(way.getKey(), x -> new ArrayList<>())
                            .add(took);
                }
            }
        }
        seconds.forEach((way, all) -> System.out.printf(
                "{\"way\": \"%s\", \"dtype\": \"%s\", \"tokens\": %d, \"forward_s\": %s, \"backward_s\": %s}%n",
                way, dtype, length, sorted(all, 0), sorted(all, 1)));
    }

    private static String sorted(List<double[]> all, int part) {
        return all.stream()
                .mapToDouble(x -> x[part])
                .sorted()
                .mapToObj("%.4f"::formatted)
                .toList()
                .toString();
    }

    private static void memory(DType dtype, String way, int length) {
        // Libraries and pools are there after a short text.
        run(WAYS.get(way), dtype, 512);
        ProcessMemory.forgetPeak();
        long before = ProcessMemory.read().now();
        run(WAYS.get(way), dtype, length);
        long peak = ProcessMemory.read().peak() - before;
        System.out.printf(
                "{\"way\": \"%s\", \"dtype\": \"%s\", \"tokens\": %d, \"peak_mb\": %.1f}%n",
                way, dtype, length, peak / 1e6);
    }

    /** Seconds of a forward and of a backward. */
    private static double[] run(Way way, DType dtype, int length) {
        try (Scope scope = Scope.open();
                Network network = network(way.mask, dtype).setAttention(way.implementation)) {
            long[] ids = new long[length];
            Arrays.setAll(ids, i -> i * 31L % 97);
            Flow inputs = new Flow().put("input_ids", Tensor.of(ids, 1, length));
            Tensor cotangent =
                    Tensor.randn(new RandomStream(3), 1, length, WIDTH).to(dtype);
            long start = System.nanoTime();
            try (Tape tape = network.forward(inputs, Pass.training(1))) {
                long middle = System.nanoTime();
                tape.backward(Map.of("hidden_states", cotangent));
                return new double[] {(middle - start) / 1e9, (System.nanoTime() - middle) / 1e9};
            }
        }
    }

    private static Network network(Mask mask, DType dtype) {
        SelfAttention attention = new SelfAttention(
                "block",
                0,
                new SelfAttention.Shape(HEADS, HEADS, HEAD_WIDTH, 1 / Math.sqrt(HEAD_WIDTH), 0, false),
                List.of(linear("q", dtype), linear("k", dtype), linear("v", dtype)),
                linear("o", dtype));
        return new Network(List.of(
                new Positions("positions", dtype, null).withMask("mask", mask),
                new TokenEmbedding("embedding", parameter("tokens", dtype, 97, 1), null, 0),
                new TransformerBlock("block", Residual.bare(attention))));
    }

    private static Linear linear(String name, DType dtype) {
        return new Linear(name, new DenseLinear(parameter(name, dtype, WIDTH, 1 / Math.sqrt(WIDTH)), null));
    }

    private static Parameter parameter(String name, DType dtype, long rows, double std) {
        try (Scope scope = Scope.open()) {
            Tensor drawn = Tensor.randn(new RandomStream(name.hashCode()), rows, WIDTH);
            return new Parameter(name, drawn.mul(std).to(dtype).to(Device.CPU));
        }
    }
}
