package quern.models.part.structure;

import quern.models.part.PartTechnique;
import quern.models.part.RecurrencePart;

/** Nothing is carried from one stretch of a text to the next. */
public final class NoRecurrence implements PartTechnique {
    @Override
    public String kind() {
        return RecurrencePart.KIND;
    }

    @Override
    public String id() {
        return "none";
    }

    @Override
    public String summary() {
        return "Nothing is carried from one stretch of a text to the next";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements RecurrencePart {}
}
