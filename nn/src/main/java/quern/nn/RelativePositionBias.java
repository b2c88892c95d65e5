package quern.nn;

import java.util.List;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * T5's learned biases on attention scores by the distance between query and key (Raffel et al. 2020, arXiv:1910.10683,
 * section 2.1): near distances have a bucket each, farther ones share buckets of logarithmically growing width, all from
 * the largest distance on the last. Writes {@code position_bias} [1, H, T, S] for all layers of a stack; of
 * documents one behind another, for one as long as the longest.
 */
public final class RelativePositionBias extends Segment {
    /** The biases. */
    static final String OUTPUT = "position_bias";

    private final Parameter table_NH;
    private final int maxDistance;
    private final boolean bidirectional;
    private final String ids;

    private RelativePositionBias(String name, Parameter table_NH, int maxDistance, boolean bidirectional, String ids) {
        super(name);
        this.table_NH = table_NH;
        this.maxDistance = maxDistance;
        this.bidirectional = bidirectional;
        this.ids = ids;
    }

    /** For an encoder: half of the buckets are for keys before the query, half for those after it. */
    public static RelativePositionBias encoder(String name, Parameter table_NH, int maxDistance) {
        return new RelativePositionBias(name, table_NH, maxDistance, true, "input_ids");
    }

    /** For a decoder: all buckets are for keys before the query. */
    public static RelativePositionBias decoder(String name, Parameter table_NH, int maxDistance) {
        return new RelativePositionBias(name, table_NH, maxDistance, false, DecoderPositions.INPUT);
    }

    /** The same for the tokens called {@code tokens} in the flow. */
    public RelativePositionBias withIds(String tokens) {
        return new RelativePositionBias(name(), table_NH, maxDistance, bidirectional, tokens);
    }

    @Override
    public List<String> reads() {
        return List.of(ids);
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(DocumentBorders.NAME);
    }

    @Override
    public List<String> writes() {
        return List.of(OUTPUT);
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(table_NH);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor ids_BT = flow.get(ids);
        Device device = ids_BT.device();
        DocumentBorders documents = DocumentBorders.of(flow);
        int t = documents == null ? (int) ids_BT.size(1) : documents.longest();
        int past = pass.cache() == null ? 0 : (int) pass.cache().length();
        int s = past + t;
        int buckets = (int) table_NH.value().size(0);
        // A bucket depends on the distance alone: those of all distances once, then a row a query.
        long[] byDistance = new long[s + t - 1];
        for (int distance = -(s - 1); distance < t; distance++) {
            byDistance[distance + s - 1] = bucket(distance, buckets);
        }
        long[] rows = new long[t * s];
        for (int i = 0; i < t; i++) {
            System.arraycopy(byDistance, s - 1 - (past + i), rows, i * s, s);
        }
        Tensor index_TS = Tensor.of(rows, t, s).to(device);
        Tensor bias_TSH = Functional.embedding(pass.value(table_NH), index_TS);
        flow.put(OUTPUT, bias_TSH.permute(2, 0, 1).unsqueeze(0));
    }

    /** The bucket of a key {@code distance} positions after the query (before it when negative). */
    int bucket(int distance, int buckets) {
        int first = 0;
        int count = buckets;
        int away;
        if (bidirectional) {
            count /= 2;
            first = distance > 0 ? count : 0;
            away = Math.abs(distance);
        } else {
            away = Math.max(0, -distance);
        }
        int exact = count / 2;
        if (away < exact) {
            return first + away;
        }
        // In fp32, as transformers computes it: a distance on the edge of a bucket must fall on the same side.
        float ratio = (float) Math.log((float) away / exact) / (float) Math.log((double) maxDistance / exact);
        int farther = exact + (int) (ratio * (count - exact));
        return first + Math.min(farther, count - 1);
    }
}
