package quern.models.internal;

import quern.models.Initialization;
import quern.models.Weights;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Tensor;

/**
 * Freshly drawn parameters. Each has a random stream named after it, so a value depends on the seed and the parameter's
 * name only; it is drawn in fp32 on the CPU and then converted, the same for every dtype and device.
 */
public final class NewWeights extends Weights {
    private final Device device;
    private final RandomStreams streams;

    /** Parameters drawn from a run's seed. */
    public NewWeights(DType dtype, Device device, long seed) {
        super(dtype);
        this.device = device;
        this.streams = new RandomStreams(seed);
    }

    @Override
    protected Tensor value(String name, Initialization initialization, long... shape) {
        Tensor x = Tensor.empty(DType.FP32, Device.CPU, shape);
        switch (initialization) {
            case Initialization.Constant c -> x.fill_(c.value());
            case Initialization.Evenly e -> {
                double distance = (e.last() - e.first()) / Math.max(1, x.numel() - 1);
                x.copy_(Tensor.arange(x.numel(), DType.FP32, Device.CPU)
                        .mul(distance)
                        .add(e.first())
                        .view(shape));
            }
            case Initialization.Normal n -> {
                x.normal_(0, n.std(), new RandomStream(streams.seed("init/" + name)));
                n.zeroRow().ifPresent(row -> x.select(0, row).zero_());
            }
            case Initialization.TruncatedNormal n -> truncated(x, n, new RandomStream(streams.seed("init/" + name)));
        }
        return x.to(dtype()).to(device);
    }

    private static void truncated(Tensor x, Initialization.TruncatedNormal n, RandomStream random) {
        double limit = n.cutoff() * n.std();
        x.normal_(0, n.std(), random);
        Tensor outside = x.abs().gt(limit);
        while (outside.to(DType.INT64).sum().item() > 0) {
            Tensor again = Tensor.empty(DType.FP32, Device.CPU, x.shape()).normal_(0, n.std(), random);
            x.copy_(Tensor.where(outside, again, x));
            outside = x.abs().gt(limit);
        }
    }
}
