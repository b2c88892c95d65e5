package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/** The recipe block {@code data} and the techniques of this room. */
class DataConfigTest {
    private static Block block(String yaml) {
        return RecipeFile.load("test.yaml", yaml, List.of());
    }

    @Test
    void bindsFromARecipe() {
        DataConfig config = block("path: corpus/*.jsonl\nfield: body\nmax_length: 64\npacking: false\ntext_unit: line")
                .bind(DataConfig.class);
        assertEquals(List.of("corpus/*.jsonl"), config.path());
        assertEquals("body", config.field());
        assertEquals(64, config.maxLength());
        assertEquals(TextUnit.LINE, config.textUnit());
        assertEquals(Optional.empty(), config.documentSeparator());
        assertEquals(DataConfig.files("a", "b"), block("path: [a, b]").bind(DataConfig.class));
        assertEquals(DataConfig.tales(3), block("source: tales").bind(DataConfig.class));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "max_length: 3; no text is named",
                "{path: a, source: tales}; both given",
                "source: tails; not a built-in corpus",
                "{source: tales, format: text}; format: is about files",
                "{path: a, validation_share: 1}; validation_share",
                "{path: a, max_length: 0}; max_length",
                "{path: ''}; empty",
                "{path: a, tales_megabytes: 0}; tales_megabytes",
                "{path: a, maxlength: 5}; max_length"
            })
    void wrongValuesAreRefused(String yaml, String part) {
        QuernException error =
                assertThrows(QuernException.class, () -> block(yaml).bind(DataConfig.class));
        assertEquals(ExitCode.BAD_INPUT, error.exitCode());
        assertTrue(error.getMessage().contains(part), error.getMessage());
    }

    @Test
    void techniquesAreFoundAndBind() {
        Technique bpe = Techniques.find(
                TokenizerTrainer.class, "tokenizer", "bpe", block("a: 1").position());
        assertInstanceOf(BpeTrainer.class, bpe);
        assertEquals(BpeTrainer.Config.of(2048), block("vocab_size: 2048").bind(bpe.config()));
        Technique characters = Techniques.find(
                TokenizerTrainer.class, "tokenizer", "char", block("a: 1").position());
        assertEquals(
                CharacterTrainer.Config.defaults(), block("unk_token: <unk>").bind(characters.config()));
        Techniques.find(Objective.class, "objective", "causal_lm", block("a: 1").position());
    }
}
