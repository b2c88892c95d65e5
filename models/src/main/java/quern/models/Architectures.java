package quern.models;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The classes of a family that may stand under {@code architectures} in {@code config.json}, and the task of each. The
 * first is what a new model is unless its objective wants another.
 *
 * <pre>{@code
 * Architectures.of("Llama", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.MODEL)
 *         .with("LlamaForQuestionAnswering", Task.QUESTION_ANSWERING, "transformer.")
 * }</pre>
 */
public final class Architectures {
    /**
     * One class.
     *
     * @param name of the class
     * @param task what it is for
     * @param bodyPrefix what the body's parameter names start with in this class, where that isn't the family's {@link
     *     CheckpointKeys#basePrefix}
     */
    public record Architecture(String name, Task task, Optional<String> bodyPrefix) {}

    private final List<Architecture> all;

    private Architectures(List<Architecture> all) {
        this.all = List.copyOf(all);
    }

    /**
     * Classes named as most are: {@code stem} and the task's {@link Task#suffix}. {@link Task#MODEL}, the body alone, has
     * no prefix.
     */
    public static Architectures of(String stem, Task... tasks) {
        return new Architectures(List.of()).and(stem, tasks);
    }

    /** These and others named as most are. */
    public Architectures and(String stem, Task... tasks) {
        Architectures result = this;
        for (Task task : tasks) {
            result = task == Task.MODEL
                    ? result.with(stem + task.suffix(), task, "")
                    : result.with(stem + task.suffix(), task);
        }
        return result;
    }

    /** These and one with a name of its own. */
    public Architectures with(String name, Task task) {
        return plus(new Architecture(name, task, Optional.empty()));
    }

    /** These and one whose body's parameters start with {@code bodyPrefix} instead of the family's prefix. */
    public Architectures with(String name, Task task, String bodyPrefix) {
        return plus(new Architecture(name, task, Optional.of(bodyPrefix)));
    }

    private Architectures plus(Architecture one) {
        List<Architecture> more = new ArrayList<>(all);
        more.add(one);
        return new Architectures(more);
    }

    /** The classes, the default first. */
    public List<Architecture> all() {
        return all;
    }

    /** What a new model is unless something else is asked for. */
    public Architecture first() {
        return all.getFirst();
    }

    /** The class of that name. */
    public Optional<Architecture> named(Object name) {
        return all.stream().filter(a -> a.name().equals(name)).findFirst();
    }

    /** The class for a task; a {@link Task#REWARD} model is the class of sequence classification. */
    public Optional<Architecture> forTask(Task task) {
        Optional<Architecture> own = all.stream().filter(a -> a.task() == task).findFirst();
        if (own.isEmpty() && task == Task.REWARD) {
            return forTask(Task.SEQUENCE_CLASSIFICATION)
                    .map(a -> new Architecture(a.name(), Task.REWARD, a.bodyPrefix()));
        }
        return own;
    }

    /** The names, for messages. */
    public List<String> names() {
        return all.stream().map(Architecture::name).toList();
    }
}
