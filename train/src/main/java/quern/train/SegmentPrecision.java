package quern.train;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import quern.nn.Network;
import quern.nn.Segment;
import quern.optim.Optimizer;
import quern.recipe.DynamicPrecision;
import quern.tensor.DType;

/**
 * Which segments of a training in {@code precision: dynamic} compute in bf16. All begin in fp16; one that is the first to
 * overflow often enough changes for good, with those that share a parameter with it. Its weights are rounded anew from
 * their fp32 masters, which stay as they are.
 */
final class SegmentPrecision implements Resumable {
    private static final String CONVERTED = "bf16/";
    private static final String OVERFLOW = "overflow/";

    private final DynamicPrecision config;
    private final Network network;
    private final Optimizer optimizer;
    /** By segment, the steps of its overflows that still count. */
    private final Map<String, Deque<Long>> overflows = new LinkedHashMap<>();

    private final Set<String> converted = new LinkedHashSet<>();

    SegmentPrecision(DynamicPrecision config, Network network, Optimizer optimizer) {
        this.config = config;
        this.network = network;
        this.optimizer = optimizer;
    }

    /** The segments that compute in bf16. */
    Set<String> converted() {
        return Collections.unmodifiableSet(converted);
    }

    /**
     * Counts an overflow.
     *
     * @param step the step, counted from 1
     * @param segment the segment that was the first to overflow in it
     * @param last whether no lower loss scale is left to try, so that the segment changes at once
     * @return the segments that compute in bf16 from now on because of it
     */
    List<String> overflowed(long step, String segment, boolean last) {
        if (converted.contains(segment)) {
            return List.of();
        }
        Deque<Long> steps = overflows.computeIfAbsent(segment, s -> new ArrayDeque<>());
        steps.addLast(step);
        while (steps.getFirst() <= step - config.window()) {
            steps.removeFirst();
        }
        if (steps.size() < config.overflows() && !last) {
            return List.of();
        }
        List<String> changed = convert(segment);
        changed.forEach(overflows::remove);
        return changed;
    }

    private List<String> convert(String segment) {
        List<String> changed = new ArrayList<>(network.convert(segment, DType.BF16, optimizer::masterOf));
        changed.removeAll(converted);
        converted.addAll(changed);
        return changed;
    }

    @Override
    public String name() {
        return "dynamic_precision";
    }

    /** {@code bf16/NAME: 1} for a converted segment, {@code overflow/NAME/K: STEP} for the K-th overflow that counts. */
    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new TreeMap<>();
        converted.forEach(s -> state.put(CONVERTED + s, 1.0));
        overflows.forEach((segment, steps) -> {
            int k = 0;
            for (long step : steps) {
                state.put(OVERFLOW + segment + "/" + k++, (double) step);
            }
        });
        return state;
    }

    @Override
    public void load(Map<String, Double> state) {
        for (Segment s : network.segments()) {
            if (state.containsKey(CONVERTED + s.name()) && !converted.contains(s.name())) {
                convert(s.name());
            }
            Deque<Long> steps = new ArrayDeque<>();
            for (int k = 0; state.containsKey(OVERFLOW + s.name() + "/" + k); k++) {
                steps.add(state.get(OVERFLOW + s.name() + "/" + k).longValue());
            }
            Optional.of(steps).filter(d -> !d.isEmpty()).ifPresent(d -> overflows.put(s.name(), d));
        }
    }
}
