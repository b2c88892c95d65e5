package quern.data.order;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import quern.data.Scorer;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;

/** A curriculum by the loss of a model that was trained before: its mean over the tokens of a row's text, in nats. */
public final class ModelLossCurriculum implements Curriculum {
    private static final int AT_ONCE = 64;

    /** Settings. */
    public record Config(
            @Doc("The folder of the model that scores rows.")
            Path model,

            @Doc("The order and its pacing: the settings of the other measures.") @Default("{}")
            Block pace) {}

    @Override
    public String id() {
        return "model_loss";
    }

    @Override
    public String summary() {
        return "rows that a trained model finds easy first";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public RowOrder open(Rows rows, Record config) {
        Config c = (Config) config;
        PacedSettings settings = c.pace().bind(PacedSettings.class);
        try (Scorer scorer = rows.scorers().apply(c.model())) {
            return new PacedOrder(measure(rows, scorer), settings, rows.seed());
        }
    }

    private static double[] measure(Rows rows, Scorer scorer) {
        double[] losses = new double[Math.toIntExact(rows.count())];
        List<String> texts = new ArrayList<>();
        for (int row = 0; row < losses.length; row++) {
            texts.add(rows.text(row));
            if (texts.size() == AT_ONCE || row == losses.length - 1) {
                double[] scores = scorer.score(texts);
                System.arraycopy(scores, 0, losses, row + 1 - scores.length, scores.length);
                texts.clear();
            }
        }
        for (double loss : losses) {
            if (Double.isNaN(loss)) {
                throw QuernException.badInput(
                        "data.curriculum: model_loss: a row of %s has a text that the model can't score; choose another measure",
                        rows.origin());
            }
        }
        return losses;
    }
}
