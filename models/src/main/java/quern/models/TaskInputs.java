package quern.models;

import java.util.List;
import java.util.Map;
import quern.nn.Flow;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** Turns labels, as transformers takes them, into what a task's head reads from the flow. */
final class TaskInputs {
    private TaskInputs() {}

    /**
     * A flow of the batch on {@code device}: every tensor under its own name, but {@code labels} of language models as
     * {@code targets} and {@code weights}, which weigh every counted label the same. The pairs of a contrastive
     * model have no labels: row i of the texts belongs to image i; nor do images, which are to be made again.
     */
    static Flow flow(ModelSpec spec, Map<String, Tensor> batch, Device device) {
        Flow flow = new Flow();
        batch.forEach((name, tensor) -> flow.put(name, tensor.to(device)));
        Tensor labels = flow.find("labels");
        if (spec.task() == Task.CONTRASTIVE) {
            return pairs(flow);
        }
        if (spec.task() == Task.IMAGE_TOKENS) {
            return images(flow);
        }
        if (labels == null) {
            return flow;
        }
        return switch (spec.task()) {
            case CAUSAL_LM -> targets(without(flow, "labels"), shiftLeft(labels));
            case MASKED_LM, PRE_TRAINING, SEQ2SEQ_LM -> targets(without(flow, "labels"), labels);
            case NEXT_SENTENCE,
                    SEQUENCE_CLASSIFICATION,
                    TOKEN_CLASSIFICATION,
                    QUESTION_ANSWERING,
                    REWARD,
                    CONTRASTIVE,
                    IMAGE_TOKENS,
                    MODEL -> flow;
        };
    }

    private static Flow without(Flow flow, String left) {
        Flow rest = new Flow();
        flow.names().stream().filter(name -> !name.equals(left)).forEach(name -> rest.put(name, flow.get(name)));
        return rest;
    }

    private static Flow targets(Flow flow, Tensor targets) {
        Tensor counted = targets.ge(0).to(DType.FP32);
        return flow.put("targets", targets)
                .put("weights", counted.div(counted.sum().clampMin(1)));
    }

    /** As many images as texts are pairs, which weigh the same. */
    private static Flow pairs(Flow flow) {
        Tensor images = flow.get("pixel_values");
        long pairs = images.size(0);
        return flow.get("input_ids").size(0) == pairs
                ? flow.put("weights", Tensor.full(1.0 / pairs, DType.FP32, images.device(), pairs))
                : flow;
    }

    /** All images weigh the same. */
    private static Flow images(Flow flow) {
        Tensor images = flow.get("pixel_values");
        return flow.put("weights", Tensor.full(1.0 / images.size(0), DType.FP32, images.device(), images.size(0)));
    }

    /** Targets [B, T] of causal prediction: {@code targets[t] = labels[t+1]}, and -100 at the end. */
    static Tensor shiftLeft(Tensor labels_BT) {
        long t = labels_BT.size(1);
        Tensor last = Tensor.full(-100, DType.INT64, labels_BT.device(), labels_BT.size(0), 1);
        return Tensor.cat(List.of(labels_BT.narrow(1, 1, t - 1), last), 1);
    }
}
