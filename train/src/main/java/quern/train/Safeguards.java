package quern.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.Batch;

/**
 * What a {@link TrainingStep} looks at before it changes a weight, and what it measures beside.
 *
 * @param scaler the loss scale of training in fp16
 * @param segments which segments change from fp16 to bf16; needs a scaler
 * @param spikes tells a loss that lies too high
 * @param noise measures the gradient noise scale
 * @param suspects where the batch of a step goes that was not finite or a spike
 */
record Safeguards(
        Optional<LossScaler> scaler,
        Optional<SegmentPrecision> segments,
        Optional<SpikeDetector> spikes,
        Optional<GradientNoise> noise,
        Suspects suspects) {
    /** Takes batches that a person should look at. */
    interface Suspects {
        void keep(long step, String reason, double loss, Map<String, Double> facts, List<Batch> batches);
    }

    /** Nothing but the checks that every step has. */
    static final Safeguards NONE = new Safeguards(
            Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), (s, r, l, f, b) -> {});

    /** Those parts that a checkpoint holds. */
    List<Resumable> resumable() {
        List<Resumable> all = new ArrayList<>();
        scaler.ifPresent(all::add);
        segments.ifPresent(all::add);
        spikes.ifPresent(all::add);
        noise.ifPresent(all::add);
        return all;
    }

    /** What the loss is multiplied by for backward; 1 without a scaler. */
    double lossScale() {
        return scaler.map(LossScaler::scale).orElse(1.0);
    }
}
