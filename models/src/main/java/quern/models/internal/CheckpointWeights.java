package quern.models.internal;

import java.util.Arrays;
import quern.models.CheckpointKeys;
import quern.models.Initialization;
import quern.models.Weights;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.SafetensorsFile;
import quern.tensor.Tensor;

/** Parameters read from a mapped checkpoint whose names and shapes have been checked. */
public final class CheckpointWeights extends Weights {
    private final Checkpoint checkpoint;
    private final CheckpointKeys keys;
    private final StoredTies stored;
    private final Device device;

    /** Parameters of a checkpoint, converted to {@code dtype}. */
    public CheckpointWeights(
            Checkpoint checkpoint, CheckpointKeys keys, StoredTies stored, DType dtype, Device device) {
        super(dtype);
        this.checkpoint = checkpoint;
        this.keys = keys;
        this.stored = stored;
        this.device = device;
    }

    @Override
    protected boolean isStoredTied(String name, String owner, boolean configured) {
        return stored.isTied(name, owner, configured);
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        if (!checkpoint.contains(name) && initialization instanceof Initialization.Constant constant) {
            return Tensor.full(constant.value(), dtype(), device, shape);
        }
        SafetensorsFile.Entry entry = checkpoint.entry(name);
        String file = checkpoint.folder().toString();
        DType stored = DType.ofSafetensors(entry.dtype(), file, entry.name());
        if (!stored.isFloatingPoint()) {
            throw QuernException.failed(
                    "%s: tensor '%s' has dtype %s, expected floating-point weights", file, entry.name(), entry.dtype());
        }
        Tensor x = Tensor.copyOf(entry.bytes(), stored, entry.shape());
        // A sum is finite only if every element is; the elements are looked at one by one only when it is not.
        if (!Double.isFinite(x.sum().item())) {
            long bad = (long) x.isFinite().logicalNot().to(DType.INT64).sum().item();
            if (bad > 0) {
                throw QuernException.failed(
                        "%s: tensor '%s' has %d of %d values that are NaN or infinite; the file is damaged or the model diverged",
                        file, entry.name(), bad, x.numel());
            }
        }
        if (keys.isTransposed(name)) {
            x = x.t().contiguous();
        }
        if (!Arrays.equals(x.shape(), shape)) {
            throw new IllegalStateException(name + " was not checked");
        }
        return x.to(dtype()).to(device);
    }
}
