package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A base form plus a product of two thin matrices: {@code y = base(x) + scale · x·Aᵀ·Bᵀ} with A [r, in], B [out, r] (LoRA,
 * Hu et al. 2021, arXiv:2106.09685; scale is α/r).
 */
public final class LowRankLinear implements Linear.Form {
    private final Linear.Form base;
    private final Parameter a;
    private final Parameter b;
    private final double scale;

    /** A low-rank addition to {@code base}. */
    public LowRankLinear(Linear.Form base, Parameter a, Parameter b, double scale) {
        if (a.value().size(1) != base.inFeatures()
                || b.value().size(0) != base.outFeatures()
                || a.value().size(0) != b.value().size(1)) {
            throw new IllegalArgumentException("A %s and B %s do not fit a map of %d to %d"
                    .formatted(a.value(), b.value(), base.inFeatures(), base.outFeatures()));
        }
        this.base = base;
        this.a = a;
        this.b = b;
        this.scale = scale;
    }

    @Override
    public long inFeatures() {
        return base.inFeatures();
    }

    @Override
    public long outFeatures() {
        return base.outFeatures();
    }

    @Override
    public Tensor forward(Tensor x, Pass pass) {
        Tensor low = Functional.linear(Functional.linear(x, pass.value(a), null), pass.value(b), null);
        return base.forward(x, pass).add(low.mul(scale));
    }

    @Override
    public Tensor backwardInput(Tensor x, Tensor cotangent) {
        Tensor low = cotangent.matmul(b.value()).matmul(a.value()).mul(scale);
        return base.backwardInput(x, cotangent).add(low);
    }

    @Override
    public void backwardWeight(Tensor x, Tensor cotangent) {
        if (a.isTrainable()) {
            a.addGrad(cotangent.matmul(b.value()).t().matmul(x).mul(scale));
        }
        if (b.isTrainable()) {
            b.addGrad(cotangent.t().matmul(x.matmul(a.value().t())).mul(scale));
        }
        base.backwardWeight(x, cotangent);
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>(base.parameters());
        all.add(a);
        all.add(b);
        return all;
    }
}
