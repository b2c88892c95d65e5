package quern.data.augment;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.internal.RemadeTokens;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;

/** The augmentations that a recipe's {@code data.augment} names, in their order. */
public final class AugmentedText {
    private static final String TYPE = "type";

    /**
     * One of them.
     *
     * @param technique that changes the text
     * @param config of it
     */
    record Step(Augmentation technique, Record config) {
        long seed() {
            return ((Augmentation.Settings) config).seed();
        }
    }

    private final List<Step> steps;

    private AugmentedText(List<Step> steps) {
        this.steps = List.copyOf(steps);
    }

    /**
     * Looks the blocks up, each with {@code type} and its settings; empty without any.
     *
     * @throws QuernException for unknown names and unfit settings
     */
    public static Optional<AugmentedText> of(List<Block> blocks) {
        List<Step> steps = new ArrayList<>();
        for (Block block : blocks) {
            Augmentation technique =
                    Techniques.find(Augmentation.class, "augmentation", block.text(TYPE), block.position(TYPE));
            steps.add(new Step(technique, block.without(TYPE).bind(technique.config())));
        }
        return steps.isEmpty() ? Optional.empty() : Optional.of(new AugmentedText(steps));
    }

    /** The tokens that the changed texts hold and that a tokenizer should know as one each. */
    public List<String> specialTokens() {
        return steps.stream()
                .flatMap(step -> step.technique().specialTokens(step.config()).stream())
                .distinct()
                .toList();
    }

    /**
     * Batches of the changed text. An epoch has as many as the plain text has.
     *
     * @param input the plain text
     * @param arrange makes batches of a text
     * @param where the recipe names the augmentations, for errors
     */
    public BatchSource batches(Objective.Input input, Function<Objective.Input, BatchSource> arrange, Position where) {
        check(input, where);
        return new AugmentedBatches(steps, input, arrange, false);
    }

    /**
     * As above, and batch r of every epoch is the same documents: for rows that have an order.
     *
     * @param arrange makes as many batches of the changed text as of the plain one: those of one document each
     */
    public BatchSource keepingPlaces(
            Objective.Input input, Function<Objective.Input, BatchSource> arrange, Position where) {
        check(input, where);
        return new AugmentedBatches(steps, input, arrange, true);
    }

    private void check(Objective.Input input, Position where) {
        if (input.tokens().hasPrompts()) {
            throw QuernException.badInput(
                    "%s: data.augment: changes texts, but these are instruction rows; leave it out, or change the rows by the stages of quern data prepare",
                    where);
        }
        if (input.lanes()) {
            throw QuernException.badInput(
                    "%s: data.augment: the model carries memories from batch to batch through one text, which changes every epoch here; leave it out",
                    where);
        }
        Optional<String> generated = input.data().source();
        if (generated.isPresent() && !generated.get().equals(DataConfig.TALES)) {
            throw QuernException.badInput(
                    "%s: data.augment: the texts of the built-in corpus %s must stay as they are to be read back; leave it out",
                    where, generated.get());
        }
        checkSize(input.tokens().size(), where);
        for (String token : specialTokens()) {
            if (!input.tokenizer().has(token)) {
                throw QuernException.badInput(
                        "%s: data.augment: the tokenizer does not know '%s', which the changed text holds; name it under tokenizer.added_special_tokens",
                        where, token);
            }
        }
    }

    /**
     * Refuses texts that are too large to be changed while training.
     *
     * @param tokens of all texts that are
     */
    public void checkSize(long tokens, Position where) {
        if (tokens > RemadeTokens.MOST) {
            throw QuernException.badInput(
                    "%s: data.augment: the text has %,d tokens, and at most %,d are changed while training, since an epoch of them is held in memory; change it once, by the stages of quern data prepare",
                    where, tokens, RemadeTokens.MOST);
        }
    }
}
