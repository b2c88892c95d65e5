package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import quern.curate.DatasetDistillation;
import quern.curate.SmallSetRecipe;
import quern.data.DataConfig;
import quern.data.corpus.PrepareRecipe;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.optim.OptimizerTechnique;
import quern.optim.ScheduleTechnique;
import quern.recipe.Block;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.recipe.Techniques;
import quern.testkit.RepositoryFiles;

/** Every recipe in {@code recipes/} says only what Quern understands. */
class RecipesTest {
    static Stream<Path> recipes() throws IOException {
        try (Stream<Path> all = Files.walk(RepositoryFiles.root().resolve("recipes"))) {
            return all.filter(p -> p.toString().endsWith(".yaml")).sorted().toList().stream();
        }
    }

    @ParameterizedTest
    @MethodSource("recipes")
    void everyBlockBinds(Path file) {
        Block block = RecipeFile.load(file, List.of());
        if (block.has("prepare")) {
            // Of a corpus, not of a training; what it makes of its files a test of its own says.
            assertFalse(
                    block.block("prepare").bind(PrepareRecipe.class).sources().isEmpty());
            return;
        }
        Recipe recipe = Recipe.from(block.without(SmallSetRecipe.BLOCK));
        if (block.has(SmallSetRecipe.BLOCK)) {
            SmallSetRecipe sets = block.block(SmallSetRecipe.BLOCK).bind(SmallSetRecipe.class);
            sets.method().ifPresent(method -> {
                DatasetDistillation technique = Techniques.find(
                        DatasetDistillation.class,
                        SmallSetRecipe.BLOCK,
                        method.text("type"),
                        block.position(SmallSetRecipe.BLOCK));
                method.without("type").bind(technique.config());
            });
        }
        DataConfig data = recipe.data().bind(DataConfig.class);
        ModelSpec spec = ModelSpec.fromRecipe(recipe.model(), 300, SpecialTokens.NONE);
        assertTrue(data.maxLength() <= spec.config().contextLength());
        OptimizerTechnique optimizer = Techniques.find(
                OptimizerTechnique.class, OptimizerTechnique.KIND, recipe.optim(), block.position("optim"));
        recipe.optimArgs().bind(optimizer.config());
        ScheduleTechnique schedule = Techniques.find(
                ScheduleTechnique.class,
                ScheduleTechnique.KIND,
                recipe.lrSchedulerType(),
                block.position("lr_scheduler_type"));
        recipe.lrSchedulerKwargs().bind(schedule.config());
        // What is written into a run folder reads back the same.
        assertEquals(
                block.toMap(),
                RecipeFile.load("written", RecipeFile.write(block), List.of()).toMap());
    }
}
