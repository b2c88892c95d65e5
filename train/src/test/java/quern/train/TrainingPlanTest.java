package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import quern.models.ModelSpec;
import quern.recipe.Block;
import quern.recipe.Position;

/** What a plan says of a model's parts. */
class TrainingPlanTest {
    private static final Path GOLDENS = Path.of("..", "goldens");

    @Test
    void everyParameterOfEveryFamilyHasItsPart() throws IOException {
        TreeMap<String, String> nowhere = new TreeMap<>();
        int parameters = 0;
        try (Stream<Path> folders = Files.list(GOLDENS)) {
            for (Path folder : folders.filter(f -> Files.exists(f.resolve("config.json")))
                    .sorted()
                    .toList()) {
                ModelSpec spec = ModelSpec.read(folder, Block.empty(Position.of(folder.toString())));
                for (String name : spec.shapes().parameters().keySet()) {
                    parameters++;
                    if (TrainingPlan.part(name).equals("other")) {
                        nowhere.put(name, folder.getFileName().toString());
                    }
                }
            }
        }
        assertTrue(parameters > 1000, "only " + parameters + " parameters were looked at");
        assertEquals(new TreeMap<>(), nowhere, "parameters whose names say no part");
    }

    @Test
    void namesOfAFewFamilies() {
        assertEquals("attention", TrainingPlan.part("transformer.h.0.attn.c_attn.weight"));
        assertEquals("norms", TrainingPlan.part("bert.encoder.layer.0.attention.output.LayerNorm.weight"));
        assertEquals("mlp", TrainingPlan.part("bert.encoder.layer.0.output.dense.weight"));
        assertEquals("mlp", TrainingPlan.part("encoder.block.0.layer.1.DenseReluDense.wi_0.weight"));
        assertEquals(
                "attention", TrainingPlan.part("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"));
        assertEquals("embedding", TrainingPlan.part("shared.weight"));
        assertEquals("head", TrainingPlan.part("lm_head.weight"));
        assertEquals(
                List.of("projection", "head"),
                Stream.of("text_projection.weight", "logit_scale")
                        .map(TrainingPlan::part)
                        .toList());
    }
}
