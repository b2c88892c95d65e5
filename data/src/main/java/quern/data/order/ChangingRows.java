package quern.data.order;

import java.util.Arrays;
import java.util.Map;

/**
 * An order of rows whose text changes: number {@code v · rows + r} is row r of the text's version v, and the version that is met
 * goes up by one whenever as many rows were met as there are. Of each row the order knows the losses of all versions as one.
 *
 * @param order of the rows of any version
 * @param rows how many there are
 */
public record ChangingRows(RowOrder order, long rows) implements RowOrder {
    @Override
    public long row(long n, long step) {
        return n / rows * rows + order.row(n, step);
    }

    @Override
    public double share(long step) {
        return order.share(step);
    }

    @Override
    public boolean learns() {
        return order.learns();
    }

    @Override
    public void observe(long step, long[] met, double[] losses) {
        order.observe(step, Arrays.stream(met).map(row -> row % rows).toArray(), losses);
    }

    @Override
    public Map<String, Double> state(long next) {
        return order.state(next);
    }

    @Override
    public void load(long next, Map<String, Double> state) {
        order.load(next, state);
    }
}
