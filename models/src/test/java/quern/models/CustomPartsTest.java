package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import quern.models.custom.Config;
import quern.models.part.ComposedPart;
import quern.models.part.ImplementationPart;
import quern.models.part.PartTechnique;
import quern.models.part.attention.AutoAttention;
import quern.models.part.attention.EagerAttention;
import quern.models.part.attention.FullPattern;
import quern.models.part.attention.GroupedQuery;
import quern.models.part.attention.MultiHead;
import quern.models.part.attention.MultiQuery;
import quern.models.part.feedforward.Geglu;
import quern.models.part.feedforward.Gelu;
import quern.models.part.feedforward.Relu;
import quern.models.part.feedforward.SquaredRelu;
import quern.models.part.feedforward.Swiglu;
import quern.models.part.initialization.MaximalUpdate;
import quern.models.part.initialization.NormalWeights;
import quern.models.part.initialization.ScaledResidual;
import quern.models.part.initialization.SmallInit;
import quern.models.part.initialization.T5Weights;
import quern.models.part.norm.LayerNorm;
import quern.models.part.norm.RmsNorm;
import quern.models.part.position.Alibi;
import quern.models.part.position.Learned;
import quern.models.part.position.NoPosition;
import quern.models.part.position.Relative;
import quern.models.part.position.Rotary;
import quern.models.part.position.Shaw;
import quern.models.part.position.Sinusoidal;
import quern.models.part.structure.Decoder;
import quern.models.part.structure.Encoder;
import quern.models.part.structure.EncoderDecoder;
import quern.models.part.structure.NoRecurrence;
import quern.models.part.structure.NoSharing;
import quern.models.part.structure.PrefixLm;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/** The parts of {@link CustomModels}, whose logits, gradients and generation {@link CustomModelTest} checks. */
class CustomPartsTest {
    private static final List<PartTechnique> PARTS = List.of(
            new NoPosition(),
            new Learned(),
            new Sinusoidal(),
            new Rotary(),
            new Alibi(),
            new Relative(),
            new Shaw(),
            new LayerNorm(),
            new RmsNorm(),
            new Gelu(),
            new Relu(),
            new Swiglu(),
            new Geglu(),
            new SquaredRelu(),
            new MultiHead(),
            new MultiQuery(),
            new GroupedQuery(),
            new FullPattern(),
            new AutoAttention(),
            new EagerAttention(),
            new NoRecurrence(),
            new NoSharing(),
            new NormalWeights(),
            new ScaledResidual(),
            new SmallInit(),
            new T5Weights(),
            new MaximalUpdate(),
            new Decoder(),
            new Encoder(),
            new EncoderDecoder(),
            new PrefixLm());

    @Test
    void everyPartIsFoundAndIsInSomeModel() {
        Set<Class<?>> used = new HashSet<>();
        for (Map<String, Object> settings : CustomModels.all().values()) {
            for (ComposedPart part :
                    ((Config) CustomModels.spec(settings).config()).parts().all()) {
                used.add(part.getClass());
            }
            String implementation = (String) settings.getOrDefault("attn_implementation", "auto");
            used.add(Techniques.find(
                            PartTechnique.class,
                            ImplementationPart.KIND,
                            implementation,
                            TestModels.block(Map.of()).position())
                    .config());
        }
        for (PartTechnique part : PARTS) {
            assertTrue(used.contains(part.config()), part.kind() + " " + part.id() + " is in no model");
            Technique found = Techniques.find(
                    PartTechnique.class,
                    part.kind(),
                    part.id(),
                    TestModels.block(Map.of()).position());
            assertSame(part.getClass(), found.getClass());
        }
        assertEquals(
                PARTS.size(),
                PARTS.stream().map(p -> p.kind() + " " + p.id()).distinct().count());
    }

    /** Blocks share a mask where they have one pattern, and take the patterns in turns. */
    @Test
    void patternsAreTakenInTurns() {
        Config config = (Config) CustomModels.spec(CustomModels.with(
                        "num_hidden_layers", 4, "attention_pattern", List.of("full", Map.of("type", "full"))))
                .config();
        for (int layer = 0; layer < 4; layer++) {
            assertEquals("mask", config.parts().maskName(layer));
            assertEquals(
                    config.parts().patterns().get(layer % 2), config.parts().pattern(layer));
        }
    }
}
