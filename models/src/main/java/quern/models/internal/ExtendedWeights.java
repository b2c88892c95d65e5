package quern.models.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import quern.models.EmbeddingInitialization;
import quern.models.Initialization;
import quern.models.VocabularyExtension;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** A model's parameters with more tokens: what has a row for each token gets rows for the new ones. */
public final class ExtendedWeights extends Weights {
    private final Map<String, Tensor> known = new HashMap<>();
    private final Set<String> byToken;
    private final VocabularyExtension extension;
    private final NewWeights fresh;
    private final Device device;

    /**
     * @param parameters of the model before
     * @param byToken names of those with a row for each token
     */
    public ExtendedWeights(
            List<Parameter> parameters,
            Set<String> byToken,
            VocabularyExtension extension,
            DType dtype,
            Device device) {
        super(dtype);
        parameters.forEach(p -> known.put(p.name(), p.value().detach()));
        this.byToken = byToken;
        this.extension = extension;
        this.fresh = new NewWeights(dtype, device, extension.seed());
        this.device = device;
    }

    @Override
    protected boolean isStoredTied(String name, String owner, boolean configured) {
        return !known.containsKey(name);
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        Tensor before = known.get(name);
        if (before == null) {
            throw new IllegalStateException("the model has no parameter '" + name + "'");
        }
        if (!byToken.contains(name)) {
            return before.copy();
        }
        Tensor x = fresh.value(name, initialization, shape);
        int axis = axis(before.shape(), shape);
        x.narrow(axis, 0, before.size(axis)).copy_(before);
        boolean rows = axis == 0 && !(initialization instanceof Initialization.Constant && shape.length > 1);
        if (rows && extension.initialization() != EmbeddingInitialization.NORMAL) {
            extension.pieces().forEach((id, pieces) -> x.narrow(0, id, 1).copy_(row(before, pieces)));
        } else if (rows) {
            redraw(x, before.size(0), fresh.value(name, initialization, shape));
        }
        return x;
    }

    /** Tokens whose ids the table had room for before are drawn too. */
    private void redraw(Tensor x, long before, Tensor drawn) {
        extension.pieces().keySet().stream()
                .filter(id -> id < before)
                .forEach(id -> x.narrow(0, id, 1).copy_(drawn.narrow(0, id, 1)));
    }

    private Tensor row(Tensor before, int[] pieces) {
        boolean all = extension.initialization() == EmbeddingInitialization.MEAN || pieces.length == 0;
        Tensor rows = all
                ? before
                : before.indexSelect(
                        0, Tensor.of(pieces, pieces.length).to(DType.INT64).to(device));
        return rows.to(DType.FP32).mean(true, 0).to(before.dtype());
    }

    private static int axis(long[] before, long[] after) {
        return IntStream.range(0, before.length)
                .filter(i -> before[i] != after[i])
                .findFirst()
                .orElseGet(() -> Arrays.stream(before).limit(1).anyMatch(n -> n == 1) ? before.length - 1 : 0);
    }
}
