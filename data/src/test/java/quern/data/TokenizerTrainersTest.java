package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** What holds for every trainer, and for tokens added to what they made. */
class TokenizerTrainersTest {
    private static final Map<TokenizerTrainer, Record> TRAINERS = Map.of(
            new BpeTrainer(), BpeTrainer.Config.of(600),
            new WordPieceTrainer(), WordPieceTrainer.Config.of(400),
            new UnigramTrainer(), UnigramTrainer.Config.of(400),
            new CharacterTrainer(), CharacterTrainer.Config.defaults());

    private static final List<String> TALES = tales();

    private static List<String> tales() {
        List<String> tales = new ArrayList<>();
        new Tales(3).iterator(1_000_000).forEachRemaining(tales::add);
        tales.add("Ünïcödé שלום 日本語 \uD83D\uDC69\u200D\uD83D\uDC67 " + "a".repeat(3000));
        return tales;
    }

    static Stream<TokenizerTrainer> trainers() {
        return TRAINERS.keySet().stream();
    }

    @ParameterizedTest
    @MethodSource("trainers")
    void oneThreadAndManyGiveTheSameBytes(TokenizerTrainer trainer) {
        Record config = TRAINERS.get(trainer);
        String alone = trainer.train(TALES, config, 1).tokenizerJson();
        assertEquals(alone, trainer.train(TALES, config, 3).tokenizerJson());
        assertEquals(alone, trainer.train(TALES.reversed(), config, 2).tokenizerJson());
    }

    @ParameterizedTest
    @MethodSource("trainers")
    void whatIsLearnedEncodesItsText(TokenizerTrainer trainer) {
        Tokenizer tokenizer = trainer.train(TALES, TRAINERS.get(trainer)).tokenizer();
        String text = TALES.get(1).replace("\n", " ").strip();
        int[] ids = tokenizer.encode(text);
        assertTrue(ids.length > 0);
        int unknown = tokenizer.special(SpecialToken.UNK_TOKEN).orElse(-1);
        for (int id : ids) {
            assertFalse(id == unknown, text);
        }
    }

    @ParameterizedTest
    @MethodSource("trainers")
    void nothingToLearnFromIsBadInput(TokenizerTrainer trainer) {
        QuernException error =
                assertThrows(QuernException.class, () -> trainer.train(List.of("", ""), TRAINERS.get(trainer)));
        assertEquals(ExitCode.BAD_INPUT, error.exitCode());
        assertEquals(1, error.getMessage().lines().count());
    }

    @Test
    void aVocabularyBelowTheAlphabetIsBadInput() {
        QuernException pieces = assertThrows(
                QuernException.class, () -> new WordPieceTrainer().train(TALES, WordPieceTrainer.Config.of(30)));
        assertEquals(ExitCode.BAD_INPUT, pieces.exitCode());
        assertTrue(pieces.getMessage().contains("vocab_size 30 is too small"), pieces.getMessage());
        QuernException unigram = assertThrows(
                QuernException.class, () -> new UnigramTrainer().train(TALES, UnigramTrainer.Config.of(30)));
        assertEquals(ExitCode.BAD_INPUT, unigram.exitCode());
        assertTrue(unigram.getMessage().contains("vocab_size 30 is too small"), unigram.getMessage());
    }

    @Test
    void settingsThatCanNotBeMetAreRefused() {
        List<String> twice = List.of("<a>", "<a>");
        assertThrows(IllegalArgumentException.class, () -> UnigramTrainer.Config.of(300, twice));
        assertThrows(IllegalArgumentException.class, () -> UnigramTrainer.Config.of(3, List.of("<a>", "<b>")));
        assertThrows(
                IllegalArgumentException.class,
                () -> new WordPieceTrainer.Config(300, 2, twice, "[UNK]", true, Optional.empty(), true, true));
        assertThrows(
                IllegalArgumentException.class,
                () -> new WordPieceTrainer.Config(300, -1, List.of(), "[UNK]", true, Optional.empty(), true, true));
    }

    @Test
    void anUnknownTokenThatIsNotListedComesFirst() {
        TokenizerJson trained =
                new UnigramTrainer().train(List.of("some words"), UnigramTrainer.Config.of(40, List.of("</s>")));
        assertEquals(List.of("<unk>", "</s>"), trained.vocabulary().subList(0, 2));
        assertEquals(0, trained.tokenizer().encode("some Ω")[trained.tokenizer().encode("some Ω").length - 1]);
    }

    @Test
    void wordPiecesOfLongerTextsAreBelowTheSizeAndAboveTheFrequency() {
        TokenizerJson trained = new WordPieceTrainer()
                .train(
                        List.of("low low low low", "lower lower", "newest newest newest"),
                        new WordPieceTrainer.Config(
                                100, 3, List.of("[UNK]"), "[UNK]", true, Optional.empty(), true, true));
        assertTrue(trained.vocabulary().containsAll(List.of("low", "newest")), "" + trained.vocabulary());
        assertFalse(trained.vocabulary().contains("lower"), "" + trained.vocabulary());
    }

    @Test
    void accentsAndCaseStayWhereWanted() {
        List<String> text = List.of("Été Été Été");
        WordPieceTrainer.Config cased =
                new WordPieceTrainer.Config(100, 2, List.of("[UNK]"), "[UNK]", false, Optional.empty(), true, true);
        assertTrue(new WordPieceTrainer().train(text, cased).vocabulary().contains("Été"));
        WordPieceTrainer.Config lower =
                new WordPieceTrainer.Config(100, 2, List.of("[UNK]"), "[UNK]", true, Optional.empty(), true, true);
        TokenizerJson lowered = new WordPieceTrainer().train(text, lower);
        assertTrue(lowered.vocabulary().contains("ete"));
        assertArrayEquals(lowered.tokenizer().encode("ete"), lowered.tokenizer().encode("ÉTÉ"));
        WordPieceTrainer.Config accented =
                new WordPieceTrainer.Config(100, 2, List.of("[UNK]"), "[UNK]", true, Optional.of(false), true, true);
        assertTrue(new WordPieceTrainer().train(text, accented).vocabulary().contains("été"));
    }

    @ParameterizedTest
    @MethodSource("trainers")
    void addedTokensFollowTheVocabulary(TokenizerTrainer trainer) {
        Tokenizer before = trainer.train(TALES, TRAINERS.get(trainer)).tokenizer();
        Tokenizer after = before.withAdded(List.of("<thought>", "<action>"), List.of("<|im_end|>"));
        int size = before.vocabularySize();
        assertEquals(size + 3, after.vocabularySize());
        assertArrayEquals(new int[] {size, size + 2}, after.encode("<thought><|im_end|>"));
        assertEquals("<action>", after.token(size + 1));
        assertTrue(after.isSpecial(size + 2));
        assertFalse(after.isSpecial(size));
        String text = TALES.getFirst();
        assertArrayEquals(before.encode(text), after.encode(text));
    }

    @Test
    void tokensThatCanNotBeAddedAreBadInput() {
        Tokenizer before =
                new BpeTrainer().train(TALES, BpeTrainer.Config.of(300)).tokenizer();
        for (List<String> tokens : List.of(List.of(""), List.of("<x>", "<x>"), List.of("<|endoftext|>"))) {
            QuernException error = assertThrows(QuernException.class, () -> before.withAdded(tokens, List.of()));
            assertEquals(ExitCode.BAD_INPUT, error.exitCode());
        }
    }
}
