package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * What the layers of a decoder beside an encoder need to know about positions: {@code position_ids} and a causal {@code
 * mask} over {@code decoder_input_ids}, of which none is hidden, with {@code position_bias} added where the model has one.
 */
public final class DecoderPositions extends Segment {
    /** The tokens that the decoder reads. */
    public static final String INPUT = "decoder_input_ids";

    private final DType dtype;

    /** {@code dtype} is that of the blocks, which the mask takes. */
    public DecoderPositions(String name, DType dtype) {
        super(name);
        this.dtype = dtype;
    }

    @Override
    public List<String> reads() {
        return List.of(INPUT);
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(RelativePositionBias.OUTPUT);
    }

    @Override
    public List<String> writes() {
        return List.of("position_ids", Positions.MASK);
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor ids_BT = flow.get(INPUT);
        Device device = ids_BT.device();
        long t = ids_BT.size(1);
        long past = pass.cache() == null ? 0 : pass.cache().length();
        Tensor bias = flow.find(RelativePositionBias.OUTPUT);
        flow.put("position_ids", Tensor.arange(past + t, DType.INT64, device).narrow(0, past, t));
        if (bias == null) {
            new CallMask(Mask.causal(), t, past, null, null).write(Positions.MASK, dtype, device, flow, pass);
        } else {
            flow.put(Positions.MASK, bias.add(Mask.causal().of(t, past, null, dtype, device)));
        }
    }
}
