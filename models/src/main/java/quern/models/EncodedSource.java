package quern.models;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.nn.EncoderPositions;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Source texts as the encoder gave them, read again and again by a decoder that writes token after token. */
final class EncodedSource implements AutoCloseable {
    private final Network decoder;
    private final Map<String, Tensor> encoded = new LinkedHashMap<>();

    /** Encodes the sources, shorter ones padded on the right and hidden there. */
    EncodedSource(LanguageModel model, List<long[]> sources) {
        Network network = model.network();
        int encoderEnd = 0;
        for (int i = 0; i < network.visits().size(); i++) {
            if (network.visits().get(i).writes().contains(EncoderPositions.OUTPUT)) {
                encoderEnd = i + 1;
            }
        }
        this.decoder = network.part(encoderEnd, network.visits().size());
        try (Scope scope = Scope.open()) {
            Flow flow = network.part(0, encoderEnd).infer(inputs(model, sources), Pass.evaluation());
            for (String name : List.of(EncoderPositions.OUTPUT, EncoderPositions.MASK)) {
                encoded.put(name, flow.get(name).keep());
            }
        }
    }

    private static Flow inputs(LanguageModel model, List<long[]> sources) {
        int rows = sources.size();
        int width = sources.stream().mapToInt(s -> s.length).max().orElse(0);
        long[] ids = new long[rows * width];
        long[] mask = new long[rows * width];
        Arrays.fill(ids, ((EncoderDecoderConfig) model.config()).padding());
        for (int row = 0; row < rows; row++) {
            long[] source = sources.get(row);
            System.arraycopy(source, 0, ids, row * width, source.length);
            Arrays.fill(mask, row * width, row * width + source.length, 1);
        }
        Flow flow = new Flow().put("input_ids", Tensor.of(ids, rows, width).to(model.device()));
        if (Arrays.stream(mask).anyMatch(m -> m == 0)) {
            flow.put("attention_mask", Tensor.of(mask, rows, width).to(model.device()));
        }
        return flow;
    }

    /** The network that reads what {@link #put} adds to a flow. */
    Network decoder() {
        return decoder;
    }

    /** Adds the encoded sources. */
    void put(Flow flow) {
        encoded.forEach(flow::put);
    }

    @Override
    public void close() {
        encoded.values().forEach(Tensor::close);
    }
}
