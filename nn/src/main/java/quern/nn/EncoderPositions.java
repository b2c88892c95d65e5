package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * What the layers of an encoder need to know about positions: {@code position_ids} 0…S-1 whatever is padded; {@code
 * encoder_mask}, additive, which hides padded positions of the source from encoder and decoder alike; and {@code mask} for
 * the encoder's own attention, which is that and, where the model has one, {@code position_bias}.
 */
public final class EncoderPositions extends Segment {
    /** The mask over the source. */
    public static final String MASK = "encoder_mask";

    /** What the encoder gives to the decoder. */
    public static final String OUTPUT = "encoder_hidden_states";

    private final DType dtype;

    /** {@code dtype} is that of the blocks, which the masks take. */
    public EncoderPositions(String name, DType dtype) {
        super(name);
        this.dtype = dtype;
    }

    @Override
    public List<String> reads() {
        return List.of("input_ids");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("attention_mask", RelativePositionBias.OUTPUT);
    }

    @Override
    public List<String> writes() {
        return List.of("position_ids", MASK, Positions.MASK);
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor ids_BS = flow.get("input_ids");
        Device device = ids_BS.device();
        long s = ids_BS.size(1);
        Tensor mask = Tensor.zeros(dtype, device, 1, s);
        Tensor padding_BS = flow.find("attention_mask");
        if (padding_BS != null) {
            mask = Attention.paddedMask(padding_BS, mask);
        }
        Tensor bias = flow.find(RelativePositionBias.OUTPUT);
        flow.put("position_ids", Tensor.arange(s, DType.INT64, device));
        flow.put(MASK, mask);
        flow.put(Positions.MASK, bias == null ? mask : bias.add(mask));
    }
}
