package quern.models.custom;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.KnownForm;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.models.part.Assembly;
import quern.models.part.PositionPart;
import quern.models.part.StructurePart;
import quern.nn.Segment;
import quern.recipe.QuernException;

/**
 * A model that a recipe composes of parts: structure, positions, norms, feed-forward part, attention and what it sees. In a
 * model folder its {@code model_type} is {@code quern}; tools of other houses don't know it. A folder of a composed model
 * that is one of a known family can be written as that, see {@link quern.models.LanguageModel#asKnownFamily}.
 */
public final class Model implements ModelFamily<Config> {
    private static final String MODEL_TYPE = "quern";

    @Override
    public String id() {
        return "custom";
    }

    @Override
    public Set<String> otherIds() {
        return Set.of(MODEL_TYPE);
    }

    @Override
    public String modelType() {
        return MODEL_TYPE;
    }

    @Override
    public String summary() {
        return "A model composed of parts: positions, norms, attention, feed-forward part, structure";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Quern",
                Task.CAUSAL_LM,
                Task.MASKED_LM,
                Task.SEQ2SEQ_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        if (settings.get(PositionPart.KIND) instanceof List<?> several) {
            throw QuernException.badInput(
                    "%s: %s: found %s; a model knows positions in one way, since two would add up to neither: choose one",
                    where, PositionPart.KIND, several);
        }
    }

    @Override
    public CheckpointKeys keys() {
        return () -> "model.";
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        StructurePart structure = c.parts().structure();
        if (!structure.tasks().contains(task)) {
            throw QuernException.badInput(
                    "%s: structure: %s: such a model is for %s, not for %s; choose another structure or objective",
                    c.structure().position("type"),
                    c.structure().text("type"),
                    String.join(
                            ", ",
                            structure.tasks().stream().map(Task::id).sorted().toList()),
                    task.id());
        }
        try {
            structure.checkTask(task, c);
        } catch (IllegalArgumentException e) {
            throw QuernException.badInput("%s: %s", c.structure().position("type"), e.getMessage());
        }
        return structure.body(new Assembly(c, w));
    }

    @Override
    public Optional<KnownForm> knownForm(Config c, Task task) {
        return KnownFamilies.of(c, task);
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        Assembly assembly = new Assembly(c, w);
        return assembly.completed(c.parts().structure().head(assembly, settings));
    }
}
