package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * What a decoder beside an encoder reads, {@code decoder_input_ids}, where the caller doesn't say: a first token and then
 * the {@code targets} but the last, padding where none is counted; without targets the first token alone.
 */
public final class DecoderInputs extends Segment {
    private final long start;
    private final long padding;

    /** Decoders that begin with {@code start}. */
    public DecoderInputs(String name, long start, long padding) {
        super(name);
        this.start = start;
        this.padding = padding;
    }

    @Override
    public List<String> reads() {
        return List.of(EncoderPositions.OUTPUT);
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(DecoderPositions.INPUT, "targets");
    }

    @Override
    public List<String> writes() {
        return List.of(DecoderPositions.INPUT);
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        if (flow.has(DecoderPositions.INPUT)) {
            return;
        }
        Tensor source = flow.get(EncoderPositions.OUTPUT);
        Tensor targets = flow.find("targets");
        flow.put(
                DecoderPositions.INPUT,
                targets == null
                        ? Tensor.full(start, DType.INT64, source.device(), source.size(0), 1)
                        : shiftRight(targets, start, padding));
    }

    /** Targets [B, T] one place later, behind {@code start}; {@code padding} where they are -100. */
    public static Tensor shiftRight(Tensor targets_BT, long start, long padding) {
        Tensor first = Tensor.full(start, DType.INT64, targets_BT.device(), targets_BT.size(0), 1);
        Tensor rest = targets_BT.narrow(1, 0, targets_BT.size(1) - 1);
        return Tensor.cat(List.of(first, rest.maskedFill(rest.eq(-100), padding)), 1);
    }
}
