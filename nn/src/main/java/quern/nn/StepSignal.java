package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Tells a block that is visited again and again which visit this is, by a vector that is added to the stream before it
 * (Dehghani et al. 2019, arXiv:1807.03819, equation 4): {@code sin(t/10000^(2j/d))} at feature 2j and the cosine at 2j+1,
 * where t counts from 1, or a learnt vector. In the paper each step adds the same signal of the position too.
 */
public final class StepSignal extends Segment {
    private static final double BASE = 10_000;

    private final int step;
    private final Parameter table_SD;
    private final boolean positions;

    /**
     * @param step the visit, from 0
     * @param table_SD a row a visit; {@code null} for sines
     * @param positions whether the sines of the position are added as well
     */
    public StepSignal(String name, int step, Parameter table_SD, boolean positions) {
        super(name);
        this.step = step;
        this.table_SD = table_SD;
        this.positions = positions;
    }

    @Override
    public List<String> reads() {
        List<String> names = new ArrayList<>(List.of("hidden_states"));
        if (positions) {
            names.add("position_ids");
        }
        return names;
    }

    @Override
    public List<String> writes() {
        return List.of("hidden_states");
    }

    @Override
    public List<Parameter> parameters() {
        return table_SD == null ? List.of() : List.of(table_SD);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BTD = flow.get("hidden_states");
        long width = x_BTD.size(2);
        Tensor signal = table_SD == null
                ? sines(step + 1.0, width).to(x_BTD.device())
                : pass.value(table_SD).select(0, step);
        Tensor y_BTD = x_BTD.add(signal.to(x_BTD.dtype()));
        if (positions) {
            Tensor ids = flow.get("position_ids");
            long most = (long) ids.max().item() + 1;
            Tensor table_PD = Tensor.stack(
                            LongStream.range(0, most)
                                    .mapToObj(p -> sines(p, width))
                                    .toList(),
                            0)
                    .to(x_BTD.device());
            y_BTD = y_BTD.add(Functional.embedding(table_PD, ids).to(x_BTD.dtype()));
        }
        flow.put("hidden_states", y_BTD);
    }

    /** Sines and cosines of {@code at} in fp32 [D], computed in fp64. */
    static Tensor sines(double at, long width) {
        float[] values = new float[Math.toIntExact(width)];
        for (int i = 0; i < values.length; i++) {
            double angle = at / Math.pow(BASE, (i - i % 2) / (double) width);
            values[i] = (float) (i % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
        }
        return Tensor.of(values, width);
    }
}
