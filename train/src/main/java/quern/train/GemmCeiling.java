package quern.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.ProductProbe;

/**
 * The rate at which this machine, now, multiplies the matrices of a training step: every product of the step's linear maps
 * in its best form of libtorch's (plain, either side transposed; in the step's precision, and in fp32) and the kernels' own,
 * the best of several rounds in which the forms take turns. What a step reaches is given as a share of it.
 *
 * @param gflops the step's products together: their operations over the sum of their best times
 * @param products each by itself
 */
public record GemmCeiling(double gflops, List<Rate> products) {
    /** After two rounds a form this much slower than the best one is left out. */
    private static final double HOPELESS = 1.4;

    /**
     * A product [m, k]·[k, n].
     *
     * @param count how often a step has it
     */
    record Product(String name, int m, int n, int k, int count) {
        double flops() {
            return 2.0 * m * n * k;
        }
    }

    /** A product's best form and its rate. */
    public record Rate(String product, int m, int n, int k, int count, String form, double gflops) {}

    /** Measures; takes seconds to a minute. */
    static GemmCeiling measure(List<Product> products, DType dtype, int rounds) {
        List<Rate> rates = new ArrayList<>();
        double flops = 0;
        double seconds = 0;
        for (Product p : products) {
            Rate rate = best(p, dtype, rounds);
            rates.add(rate);
            flops += p.flops() * p.count;
            seconds += p.flops() * p.count / rate.gflops;
        }
        return new GemmCeiling(flops / seconds, rates);
    }

    private static Rate best(Product p, DType dtype, int rounds) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Map<String, Runnable> forms = new LinkedHashMap<>();
            RandomStream random = new RandomStream(1);
            addLibtorch(forms, p, dtype, random);
            if (dtype != DType.FP32) {
                addLibtorch(forms, p, DType.FP32, random);
            }
            if (Kernels.available()) {
                ProductProbe own = new ProductProbe(p.m, p.n, p.k);
                forms.put("kernel fp32", own::run);
            }
            Map<String, Double> times = new LinkedHashMap<>();
            for (int round = 0; round < rounds; round++) {
                double best = times.values().stream()
                        .mapToDouble(Double::doubleValue)
                        .min()
                        .orElse(Double.MAX_VALUE);
                for (Map.Entry<String, Runnable> form : forms.entrySet()) {
                    Double before = times.get(form.getKey());
                    if (round < 2 || before < HOPELESS * best) {
                        long start = System.nanoTime();
                        form.getValue().run();
                        double seconds = (System.nanoTime() - start) / 1e9;
                        times.merge(form.getKey(), seconds, Math::min);
                    }
                }
            }
            Map.Entry<String, Double> winner =
                    times.entrySet().stream().min(Map.Entry.comparingByValue()).orElseThrow();
            return new Rate(p.name, p.m, p.n, p.k, p.count, winner.getKey(), p.flops() / winner.getValue() / 1e9);
        }
    }

    private static void addLibtorch(Map<String, Runnable> forms, Product p, DType dtype, RandomStream random) {
        Tensor a = Tensor.randn(random, p.m, p.k).to(dtype);
        Tensor b = Tensor.randn(random, p.k, p.n).to(dtype);
        Tensor aOfColumns = a.t().contiguous().t();
        Tensor bOfColumns = b.t().contiguous().t();
        Tensor c = Tensor.empty(dtype, a.device(), p.m, p.n);
        String name = "libtorch " + dtype.name().toLowerCase(Locale.ROOT);
        forms.put(name + " a·b", () -> c.mmOut_(a, b));
        forms.put(name + " a·bᵀ", () -> c.mmOut_(a, bOfColumns));
        forms.put(name + " aᵀ·b", () -> c.mmOut_(aOfColumns, b));
    }
}
