package quern.train.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import quern.models.LanguageModel;
import quern.models.ModelGolden;
import quern.nn.Pass;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.recipe.Block;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.Parameter;

/**
 * Replays cases of kind {@code model}: logits, loss, gradients, greedy tokens, saving and loading, then ten AdamW steps
 * with decay on every parameter. The error of the losses is max |a-b| / max(1, |b|) over the ten.
 */
public final class ModelReplay implements GoldenReplay {
    private static final double LEARNING_RATE = 1e-3;
    private static final OptimizerSettings SETTINGS = new OptimizerSettings(0.1, 0.9, 0.95, 1e-8);

    @Override
    public String kind() {
        return "model";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        try (ModelGolden model = new ModelGolden(golden)) {
            return replay(golden, model);
        }
    }

    static List<GoldenCheck> replay(GoldenCase golden, ModelGolden model) {
        Path scratch = scratch();
        try (LanguageModel loaded = model.load()) {
            List<GoldenCheck> checks = new ArrayList<>(model.check(loaded, scratch));
            checks.add(GoldenCheck.of("losses", lossesError(model, loaded, golden), golden.tolerance("losses")));
            return checks;
        } finally {
            delete(scratch);
        }
    }

    private static double lossesError(ModelGolden golden, LanguageModel model, GoldenCase where) {
        double[] expected = golden.adamwLosses();
        if (expected.length == 0) {
            throw QuernException.badInput(
                    "%s: 'adamw_losses' is empty; expected a loss a step",
                    where.folder().resolve("golden.safetensors"));
        }
        Position position = Position.of(where.folder().toString());
        OptimizerTechnique adamw =
                Techniques.find(OptimizerTechnique.class, OptimizerTechnique.KIND, "adamw", position);
        Record config = Block.empty(position).bind(adamw.config());
        double worst = 0;
        try (Optimizer optimizer = adamw.create(List.of(ParameterGroup.of(model.parameters())), SETTINGS, config)) {
            for (double loss : expected) {
                model.parameters().forEach(Parameter::clearGrad);
                double found = golden.lossAndGradients(model, Pass.evaluation());
                // Math.max lets a NaN through, and a NaN fails the check.
                worst = Math.max(worst, Math.abs(found - loss) / Math.max(1, Math.abs(loss)));
                optimizer.step(LEARNING_RATE, 1);
            }
        }
        return worst;
    }

    private static Path scratch() {
        try {
            return Files.createTempDirectory("quern-verify");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
