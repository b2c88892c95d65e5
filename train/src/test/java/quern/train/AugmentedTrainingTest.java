package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.BatchSource;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** Recipes whose text is changed while it trains. */
class AugmentedTrainingTest {
    @TempDir
    Path folder;

    private Preparation prepared(String... overrides) {
        Block recipe = RecipeFile.load("tiny.yaml", TinyRuns.recipe(folder), List.of(overrides));
        return Preparation.of(recipe, note -> {});
    }

    @Test
    void theTextThatTrainsIsChangedAndTheHeldOutTextIsNot() {
        Preparation plain = prepared();
        Preparation changed = prepared("data.augment=[{type: swap, share: 0.5}]");
        BatchSource batches = changed.batches();
        assertEquals(plain.batches().batchesPerEpoch(), batches.batchesPerEpoch());
        assertFalse(Arrays.equals(
                plain.batches().batch(0).inputIds(), batches.batch(0).inputIds()));
        assertArrayEquals(
                batches.batch(3).inputIds(),
                prepared("data.augment=[{type: swap, share: 0.5}]")
                        .batches()
                        .batch(3)
                        .inputIds());
        int[] before = new int[(int) plain.validation().orElseThrow().size()];
        int[] after = new int[(int) changed.validation().orElseThrow().size()];
        plain.validation().get().read(0, before, 0, before.length);
        changed.validation().get().read(0, after, 0, after.length);
        assertArrayEquals(before, after);
        assertTrue(
                changed.notices().stream().anyMatch(line -> line.startsWith("augment: swap changed ")),
                changed.notices().toString());
    }

    @Test
    void anUnknownAugmentationIsRefused() {
        QuernException refused = assertThrows(QuernException.class, () -> prepared("data.augment=[{type: swop}]"));
        assertTrue(refused.getMessage().contains("did you mean 'swap'?"), refused.getMessage());
    }
}
