package quern.train;

import java.util.List;
import java.util.Map;
import quern.data.order.OrderedBatches;

/** The order of the rows as the training goes: it learns from steps, tells what was met, and is part of checkpoints. */
record DataOrder(OrderedBatches batches) implements Resumable {
    /** A step was taken. */
    void observe(long step, List<OrderedBatches.RowLoss> losses) {
        batches.observe(step, losses);
    }

    /** For the log, after so many steps. */
    Map<String, Double> report(long steps) {
        return batches.report(steps);
    }

    @Override
    public String name() {
        return "data_order";
    }

    @Override
    public Map<String, Double> state() {
        return batches.state();
    }

    @Override
    public void load(Map<String, Double> state) {
        batches.load(state);
    }
}
