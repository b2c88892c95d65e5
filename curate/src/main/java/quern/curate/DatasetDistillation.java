package quern.curate;

import java.util.function.Consumer;
import quern.recipe.QuernException;
import quern.recipe.Technique;
import quern.train.Preparation;

/** A technique of kind {@code dataset_distillation}: learns a few rows that stand for a text. */
public interface DatasetDistillation extends Technique {
    @Override
    default String kind() {
        return "dataset_distillation";
    }

    /**
     * What is learnt from, and where it is kept.
     *
     * @param training the training that the rows are learnt for: its model, its text, its optimizer
     * @param text rows of the text that trains, to learn from
     * @param rows how many are learnt
     * @param progress what is told while they are
     */
    record Problem(Preparation training, TextRows text, int rows, Progress progress) {}

    /** What is told and asked while rows are learnt. */
    interface Progress {
        /**
         * A step is done.
         *
         * @param step of {@code steps}, counted from 1
         * @param loss the number that learning lowers
         */
        void step(long step, long steps, double loss);

        /** Something worth a line. */
        void note(String text);

        /** Whether to stop at the next place from which learning can go on. */
        boolean stopRequested();

        /** Nobody watches. */
        static Progress none() {
            return new Progress() {
                @Override
                public void step(long step, long steps, double loss) {
                    // Nobody watches.
                }

                @Override
                public void note(String text) {
                    // Nobody watches.
                }

                @Override
                public boolean stopRequested() {
                    return false;
                }
            };
        }
    }

    /**
     * Begins to learn.
     *
     * @param config this technique's own record
     * @throws QuernException bad input where the model is none that it can learn rows for
     */
    Learner begin(Problem problem, Record config);

    /** Rows being learnt, from one place where learning can go on to the next. Owns native memory. */
    interface Learner extends AutoCloseable {
        /** How many rounds there are; a round ends where learning can go on. */
        int rounds();

        /** Rounds done. */
        int done();

        /** Learns for a round. */
        void round();

        /** The rows as they are now. */
        SmallSet rows();

        /** Everything that the next round needs, by name. */
        LearnerState state();

        /** Takes back what {@link #state} gave. */
        void load(LearnerState state);

        /** The losses of all steps so far, in order. */
        float[] losses();

        @Override
        void close();
    }

    /** Learns what is left, or until a stop is asked for; {@code saved} hears of every round. */
    static void learn(Learner learner, Progress progress, Consumer<Learner> saved) {
        while (learner.done() < learner.rounds() && !progress.stopRequested()) {
            learner.round();
            saved.accept(learner);
        }
    }
}
