package quern.train;

import java.util.List;
import quern.data.Objective;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.nn.Segment;

/**
 * An objective whose loss a model's own head doesn't give: it adds segments to the model's for the time of training. Their
 * parameters are trained with the model's, kept in checkpoints beside the trainer's numbers, and no part of the saved model.
 */
public interface TrainedObjective extends Objective {
    /**
     * What segments are added to.
     *
     * @param config this technique's own record
     * @param model the model to be trained
     * @param tokenizer what made the tokens
     * @param seed of new parameters
     */
    record Place(Record config, LanguageModel model, Tokenizer tokenizer, long seed) {}

    /**
     * What is added.
     *
     * @param before segments that are visited before the model's
     * @param behind segments that are visited after them; the last one that writes {@code loss} [1] has the last word
     * @param end frees what isn't a parameter of theirs
     */
    record Added(List<Segment> before, List<Segment> behind, Runnable end) {
        /** Segments after the model's alone. */
        static Added behind(Segment... segments) {
            return new Added(List.of(), List.of(segments), () -> {});
        }
    }

    @Override
    default boolean bringsLoss() {
        return true;
    }

    /** The segments for a model. */
    Added add(Place place);
}
