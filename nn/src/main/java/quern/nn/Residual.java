package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A step of a block's residual stream, as an equation over the stream x, branches f and g and norms n: a block is a list
 * of these. Each branch's result may be dropped out and multiplied before it joins the stream.
 */
public final class Residual {
    private interface Equation {
        Tensor apply(Tensor x, Step step);
    }

    private interface Step {
        /** The branch of {@code h}, dropped out and multiplied. */
        Tensor branch(Branch f, Tensor h);

        Tensor norm(Norm n, Tensor h);
    }

    private final List<Branch> branches;
    private final Equation equation;
    private final double dropout;
    private final double multiplier;

    /** The parameters' owners in the order in which checkpoints of most families list them. */
    private final List<Object> order;

    private final boolean keepsStream;

    private Residual(List<Object> order, boolean keepsStream, Equation equation, double dropout, double multiplier) {
        this.order = order;
        this.keepsStream = keepsStream;
        this.branches = order.stream()
                .filter(Branch.class::isInstance)
                .map(Branch.class::cast)
                .toList();
        this.equation = equation;
        this.dropout = dropout;
        this.multiplier = multiplier;
    }

    private Residual(Equation equation, Object... order) {
        this(List.of(order), true, equation, 0, 1);
    }

    /** The same of an equation that changes the stream by more than adding branches to it. */
    private Residual changingStream() {
        return new Residual(order, false, equation, dropout, multiplier);
    }

    /** {@code x + f(n(x))}: pre-norm, as GPT-2 and Llama have it. */
    public static Residual preNorm(Norm n, Branch f) {
        return new Residual((x, s) -> x.add(s.branch(f, s.norm(n, x))), n, f);
    }

    /** {@code x + n(f(x))}: the norm on what the branch gives, as OLMo 2 has it. */
    public static Residual normedBranch(Branch f, Norm n) {
        return new Residual((x, s) -> x.add(s.norm(n, s.branch(f, x))), f, n);
    }

    /** {@code x + m(f(n(x)))}: norms on both sides of the branch, as Gemma 2 has it. */
    public static Residual sandwich(Norm n, Branch f, Norm m) {
        return new Residual((x, s) -> x.add(s.norm(m, s.branch(f, s.norm(n, x)))), n, f, m);
    }

    /** {@code n(x + f(x))}: post-norm, as the first transformer and BERT have it. */
    public static Residual postNorm(Branch f, Norm n) {
        return new Residual((x, s) -> s.norm(n, x.add(s.branch(f, x))), f, n).changingStream();
    }

    /** {@code n(x) + f(n(x))}: the stream goes on from what the norm gives, as BLOOM may have it. */
    public static Residual fromNorm(Norm n, Branch f) {
        return new Residual(
                        (x, s) -> {
                            Tensor h = s.norm(n, x);
                            return h.add(s.branch(f, h));
                        },
                        n,
                        f)
                .changingStream();
    }

    /** {@code x + f(n(x)) + g(n(x))}: two branches side by side behind one norm, as GPT-J has it. */
    public static Residual parallel(Norm n, Branch f, Branch g) {
        return new Residual(
                (x, s) -> {
                    Tensor h = s.norm(n, x);
                    return x.add(s.branch(f, h).add(s.branch(g, h)));
                },
                n,
                f,
                g);
    }

    /** {@code x + f(n(x)) + g(m(x))}: two branches side by side, each behind its norm, as GPT-NeoX has it. */
    public static Residual parallel(Norm n, Branch f, Norm m, Branch g) {
        return new Residual((x, s) -> x.add(s.branch(f, s.norm(n, x)).add(s.branch(g, s.norm(m, x)))), n, f, m, g);
    }

    /** {@code x + f(x)}: no norm at all, as ModernBERT's first attention has it. */
    public static Residual bare(Branch f) {
        return new Residual((x, s) -> x.add(s.branch(f, x)), f);
    }

    /** The same with dropout at rate {@code p} on what each branch gives. */
    public Residual withDropout(double p) {
        return new Residual(order, keepsStream, equation, p, multiplier);
    }

    /** The same with what each branch gives multiplied by {@code factor}. */
    public Residual multipliedBy(double factor) {
        return new Residual(order, keepsStream, equation, dropout, factor);
    }

    /** The stream after this step. */
    public Tensor forward(Tensor x_BTD, String owner, Flow flow, Pass pass) {
        return equation.apply(x_BTD, new Step() {
            @Override
            public Tensor branch(Branch f, Tensor h) {
                Tensor y = f.forward(h, flow, pass);
                y = SelfAttention.drop(y, rate(pass), "residual_dropout_" + f.label(), owner, pass);
                return multiplier == 1 ? y : y.mul(multiplier);
            }

            @Override
            public Tensor norm(Norm n, Tensor h) {
                return n.forward(h, pass);
            }
        });
    }

    /** As {@link Segment#sharesPrefixes}. */
    boolean sharesPrefixes(Pass pass) {
        return rate(pass) == 0 && branches.stream().allMatch(b -> b.sharesPrefixes(pass));
    }

    private double rate(Pass pass) {
        return pass.dropout(Regularization.Place.RESIDUAL, dropout);
    }

    /** What a step {@code x + f(n(x))} is made of. */
    record PreNorm(Norm norm, Branch branch) {}

    /** The parts of a pre-norm step whose branch joins as it is in this call; {@code null} for any other. */
    PreNorm plainPreNorm(Pass pass) {
        boolean dropped = rate(pass) > 0;
        return order.size() == 2
                        && order.get(0) instanceof Norm n
                        && order.get(1) instanceof Branch f
                        && !dropped
                        && multiplier == 1
                ? new PreNorm(n, f)
                : null;
    }

    /** Norms and branches, in the order in which checkpoints list them. */
    List<Object> owners() {
        return order;
    }

    /** The norm that what the branch gives passes before it joins the stream, or {@code null}. */
    Norm outerNorm() {
        return keepsStream && order.getLast() instanceof Norm n ? n : null;
    }

    /** Whether the stream goes on as it was where every branch gives zeros. */
    boolean isIdentityWithoutBranches() {
        return keepsStream;
    }

    List<Branch> branches() {
        return branches;
    }

    List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>();
        for (Object owner : order) {
            all.addAll(owner instanceof Norm n ? n.parameters() : ((Branch) owner).parameters());
        }
        return all.stream().distinct().toList();
    }

    List<Linear> linears() {
        return branches.stream().flatMap(f -> f.linears().stream()).toList();
    }
}
