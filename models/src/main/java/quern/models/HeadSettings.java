package quern.models;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import quern.nn.ProblemType;
import quern.recipe.QuernException;

/**
 * What the heads of all families read from {@code config.json}, with transformers' names and defaults: the labels, and
 * the token that pads.
 *
 * @param task which head is asked for
 * @param labels {@code num_labels}, or the size of {@code id2label}; 2 when neither is there, 1 for a reward
 * @param problemType {@code problem_type}; when empty it follows from the number of labels and their dtype
 * @param padToken {@code pad_token_id}
 * @param classifierDropout {@code classifier_dropout}, the rate before a head, where set
 * @param hiddenDropout {@code hidden_dropout}, where set
 * @param tokenBias {@code token_classification_bias}: whether decoders' head over tokens has a bias
 * @param initializerRange standard deviation of a new head's weights
 */
public record HeadSettings(
        Task task,
        int labels,
        Optional<ProblemType> problemType,
        OptionalLong padToken,
        Optional<Double> classifierDropout,
        Optional<Double> hiddenDropout,
        boolean tokenBias,
        double initializerRange) {
    /** Keys that say what the labels are. */
    static final Set<String> KEYS = Set.of("num_labels", "problem_type", "id2label", "label2id");

    private static final int DEFAULT_LABELS = 2;

    static HeadSettings of(Task task, ModelSpec spec) {
        Object problem = spec.field("problem_type");
        return new HeadSettings(
                task,
                labels(task, spec),
                problem == null ? Optional.empty() : Optional.of(problemType(problem)),
                spec.field("pad_token_id") instanceof Number n ? OptionalLong.of(n.longValue()) : OptionalLong.empty(),
                number(spec, "classifier_dropout"),
                number(spec, "hidden_dropout"),
                !Boolean.FALSE.equals(spec.field("token_classification_bias")),
                number(spec, "initializer_range").orElse(0.02));
    }

    private static int labels(Task task, ModelSpec spec) {
        Object names = spec.field("id2label");
        Object count = spec.field("num_labels");
        if (task == Task.REWARD) {
            return 1;
        }
        if (names != null && !(names instanceof Map) && !(names instanceof List)) {
            throw QuernException.badInput("config.json: id2label: found %s, expected an object of names", names);
        }
        int named = names instanceof Map<?, ?> map ? map.size() : names instanceof List<?> list ? list.size() : -1;
        if (count == null) {
            return named > 0 ? named : DEFAULT_LABELS;
        }
        if (!(count instanceof Number n) || n.intValue() < 1 || n.doubleValue() != n.intValue()) {
            throw QuernException.badInput("config.json: num_labels: found %s, expected a whole number from 1", count);
        }
        // transformers, too, lets the number win over names that don't fit it.
        return n.intValue();
    }

    private static ProblemType problemType(Object name) {
        for (ProblemType type : ProblemType.values()) {
            if (type.id().equals(name)) {
                return type;
            }
        }
        throw QuernException.badInput(
                "config.json: problem_type: found %s, expected regression, single_label_classification or multi_label_classification",
                name);
    }

    private static Optional<Double> number(ModelSpec spec, String key) {
        return spec.field(key) instanceof Number n ? Optional.of(n.doubleValue()) : Optional.empty();
    }

    /** The dropout before a head: {@code classifier_dropout}, else {@code hidden_dropout}, else 0.1. */
    public double dropout() {
        return classifierDropout.or(() -> hiddenDropout).orElse(0.1);
    }

    /** What {@code config.json} says about these labels. */
    Map<String, Object> fields() {
        Map<String, Object> names = new LinkedHashMap<>();
        Map<String, Object> ids = new LinkedHashMap<>();
        for (int i = 0; i < labels; i++) {
            names.put(Integer.toString(i), "LABEL_" + i);
            ids.put("LABEL_" + i, i);
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("id2label", names);
        fields.put("label2id", ids);
        return fields;
    }
}
