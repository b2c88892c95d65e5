package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Works out, once a pass, what every block needs to know about positions: {@code position_ids}, the additive causal
 * {@code mask}, and for rotary models {@code rotary_cos} and {@code rotary_sin}. With an {@code attention_mask} (int64
 * [B, S], over cached tokens too) padded keys are hidden and positions count from each row's first real token.
 */
public final class Positions extends Segment {
    /** Inverse frequencies for the present total length, and a factor on cos and sin. */
    public interface RotaryFrequencies {
        /** fp32 [D/2] on the CPU. */
        Tensor inverseFrequencies(long length);

        /** The factor, 1 for most rope types. */
        default double attentionScaling() {
            return 1;
        }
    }

    private final DType dtype;
    private final RotaryFrequencies rotary;

    /**
     * @param dtype the dtype of the blocks, which the mask and rotary tables take
     * @param rotary null for models without rotary positions
     */
    public Positions(String name, DType dtype, RotaryFrequencies rotary) {
        super(name);
        this.dtype = dtype;
        this.rotary = rotary;
    }

    @Override
    public List<String> reads() {
        return List.of("input_ids");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("attention_mask");
    }

    @Override
    public List<String> writes() {
        return List.of("position_ids", "mask", "rotary_cos", "rotary_sin");
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor ids_BT = flow.get("input_ids");
        Device device = ids_BT.device();
        long t = ids_BT.size(1);
        long offset = pass.cache() == null ? 0 : pass.cache().length();
        Tensor mask = Attention.causalMask(t, offset, dtype, device);
        Tensor padding_BS = flow.find("attention_mask");
        Tensor positions;
        if (padding_BS == null) {
            positions = Tensor.arange(offset + t, DType.INT64, device).narrow(0, offset, t);
        } else {
            mask = Attention.paddedMask(padding_BS, mask);
            positions = padding_BS.cumsum(-1).sub(1).clampMin(0).narrow(1, offset, t);
        }
        flow.put("position_ids", positions);
        flow.put("mask", mask);
        if (rotary != null) {
            Tensor frequencies = rotary.inverseFrequencies(offset + t).to(device);
            Rotary.CosSin angles = Rotary.angles(positions, frequencies, rotary.attentionScaling());
            Tensor cos = angles.cos().to(dtype);
            Tensor sin = angles.sin().to(dtype);
            // [T, D/2] broadcasts over batch and heads; [B, T, D/2] needs the head dimension.
            flow.put("rotary_cos", cos.dim() == 3 ? cos.unsqueeze(1) : cos);
            flow.put("rotary_sin", sin.dim() == 3 ? sin.unsqueeze(1) : sin);
        }
    }
}
