package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.data.Batch;
import quern.data.TooLong;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** What becomes of a document that is longer than a row, in every objective whose rows are documents. */
class OnTooLongTest {
    private static final String BERT =
            "{family: bert, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 40}";
    private static final String T5 = "{family: t5, d_model: 16, num_layers: 1, num_heads: 2}";
    private static final String GLM =
            "{family: custom, structure: prefix_lm, position: %s, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 64}";
    private static final String CLIP =
            "{family: clip, projection_dim: 16, text_config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 200}, vision_config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, image_size: 24, patch_size: 8}}";
    private static final String LONG = "in a hole there lived nobody at all, said the miller to the corn she ground";
    private static final String LONGER = LONG + " and " + LONG;

    @TempDir
    Path folder;

    @BeforeEach
    void writeTexts() throws IOException {
        Files.writeString(folder.resolve("text.txt"), String.join("\n", "a miller", LONG, "the corn", "dawn", LONGER));
    }

    private static String model(String objective) {
        return switch (objective) {
            case "mlm", "contrastive", "{type: contrastive, pair_field: translation}", "tlm", "nsp" -> BERT;
            case "span_corruption", "ul2", "text_infilling" -> T5;
            case "prefix_lm" -> GLM.formatted("learned");
            case "blank_infilling" -> GLM.formatted("learned_2d");
            case "contrastive_text_image" -> CLIP;
            default -> TinyRuns.LLAMA.replace("max_position_embeddings: 16", "max_position_embeddings: 600");
        };
    }

    private Block recipe(String objective, String answer, String... more) {
        return TinyRuns.blockOf(
                model(objective),
                folder,
                Stream.concat(
                                Stream.of(
                                        "objective=" + objective,
                                        "data.text_unit=line",
                                        "data.packing=false",
                                        "data.validation_share=0",
                                        "data.max_length=34",
                                        "per_device_train_batch_size=1",
                                        "data.on_too_long=" + answer),
                                Stream.of(more))
                        .toArray(String[]::new));
    }

    private static TooLong tooLong(Preparation p) {
        return p.batches().tooLong().orElseThrow();
    }

    private static String refusal(Block recipe) {
        QuernException e = assertThrows(QuernException.class, () -> Preparation.of(recipe, note -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        return e.getMessage();
    }

    @ParameterizedTest
    @CsvSource({
        "mlm",
        "span_corruption",
        "ul2",
        "text_infilling",
        "prefix_lm",
        "blank_infilling",
        "causal_lm",
        "contrastive"
    })
    void documentsAreRefusedLeftOutCutOrSplit(String objective) {
        boolean pairs = objective.equals("contrastive");
        int rows = pairs ? 2 : 1;
        String batch = "per_device_train_batch_size=" + rows;
        String message = refusal(recipe(objective, "error", batch));
        assertTrue(message.contains("text.txt") && message.contains(" tokens, more than "), message);

        Preparation dropped = Preparation.of(recipe(objective, "drop", batch), note -> {});
        assertEquals(2, tooLong(dropped).dropped());
        assertEquals(3, documents(dropped, rows), "three are short");
        assertTrue(longest(dropped) < 15, "the longest of them is short");

        Preparation truncated = Preparation.of(recipe(objective, "truncate", batch), note -> {});
        assertEquals(2, tooLong(truncated).truncated());
        assertEquals(5, documents(truncated, rows));
        assertTrue(tooLong(truncated).lostTokens() > LONG.length(), "more than a half of the two");

        Preparation split = Preparation.of(recipe(objective, "split", batch), note -> {});
        assertEquals(2, tooLong(split).split());
        assertEquals(3 + tooLong(split).pieces(), documents(split, rows));
        assertTrue(tooLong(split).pieces() >= 3 + 5, "pieces: " + tooLong(split));
        assertTrue(
                split.notices().stream().anyMatch(notice -> notice.contains("are split into")),
                split.notices().toString());
    }

    /** Rows of an epoch: all that {@link TooLong} tells of. */
    private static long documents(Preparation p, int rows) {
        long all = 0;
        for (long i = 0; i < p.batches().batchesPerEpoch(); i++) {
            all += p.batches().batch(i).rows();
        }
        TooLong t = tooLong(p);
        long told = t.documents() - t.dropped() - t.split() + t.pieces();
        // Of pairs, one alone has nothing to be told from and is left out of the epoch.
        assertEquals(rows == 2 ? told / 2 * 2 * 2 : told, all);
        return told;
    }

    private static int longest(Preparation p) {
        int longest = 0;
        for (long i = 0; i < p.batches().batchesPerEpoch(); i++) {
            longest = Math.max(
                    longest, Arrays.stream(p.batches().batch(i).lengths()).max().orElse(0));
        }
        return longest;
    }

    /** Put together again, the pieces are the document: nothing is lost and nothing said twice. */
    @Test
    void piecesAreTheWholeDocument() {
        Preparation p = Preparation.of(recipe("mlm", "split"), note -> {});
        List<String> rows = new ArrayList<>();
        for (long i = 0; i < p.batches().batchesPerEpoch(); i++) {
            Batch batch = p.batches().batch(i);
            int[] ids = IntStream.range(0, batch.columns())
                    .map(c -> batch.labels()[c] == Batch.NOT_COUNTED ? batch.inputIds()[c] : batch.labels()[c])
                    .filter(id -> !p.tokenizer().isSpecial(id))
                    .toArray();
            rows.add(p.tokenizer().decode(ids).strip());
        }
        int room = rows.stream().mapToInt(String::length).max().orElseThrow();
        for (String document : List.of(LONG, LONGER)) {
            String rest = document;
            while (!rest.isEmpty()) {
                String now = rest;
                String piece = rows.stream()
                        .filter(row -> !row.isEmpty() && now.startsWith(row))
                        .max(Comparator.comparingInt(String::length))
                        .orElseThrow(() -> new AssertionError("no row begins '" + now + "'"));
                rest = rest.substring(piece.length()).strip();
            }
        }
        assertTrue(room <= 34, "rows of at most max_length tokens");
    }

    @Test
    void textsAndTranslationsAreCutTogetherButNotSplit() throws IOException {
        Path pairs = folder.resolve("pairs.jsonl");
        Files.writeString(
                pairs,
                Stream.of("a miller", LONG, "corn", "stone")
                        .map(text -> "{\"text\": \"%s\", \"translation\": \"%s\"}".formatted(text, text.toUpperCase()))
                        .collect(Collectors.joining("\n")));
        String path = "data.path=" + pairs;
        Preparation dropped = Preparation.of(recipe("tlm", "drop", path), note -> {});
        assertEquals(3, dropped.batches().batchesPerEpoch());
        assertEquals(
                new TooLong(
                        4,
                        1,
                        0,
                        0,
                        0,
                        tooLong(dropped).tokens(),
                        tooLong(dropped).lostTokens()),
                tooLong(dropped));
        Preparation truncated = Preparation.of(recipe("tlm", "truncate", path), note -> {});
        assertEquals(4, truncated.batches().batchesPerEpoch());
        assertEquals(34, longest(truncated));
        assertTrue(refusal(recipe("tlm", "error", path)).contains("pairs.jsonl"));
        String message = refusal(recipe("tlm", "split", path));
        assertTrue(message.contains("split can't be the answer with objective tlm"), message);
        String second = refusal(recipe("{type: contrastive, pair_field: translation}", "split", path));
        assertTrue(second.contains("choose one of error, drop, truncate"), second);
    }

    /** A caption says what its image is, and an episode what is done; a part of one does not. */
    @Test
    void captionsAndEpisodesAreLeftOutWhole() {
        String shapes =
                "data={path: null, source: shapes, shapes_pairs: 60, max_length: %d, validation_share: 0, packing: false, on_too_long: %s}";
        String image = "{type: contrastive_text_image, image_size: 24}";
        String bpe = "tokenizer={type: bpe, vocab_size: 300}";
        Preparation all = Preparation.of(captions(image, shapes.formatted(200, "error"), bpe), note -> {});
        int longest = longest(all);
        String shorter = shapes.formatted(longest - 1, "drop");
        Preparation dropped = Preparation.of(captions(image, shorter, bpe), note -> {});
        assertTrue(tooLong(dropped).dropped() > 0);
        assertEquals(60 - tooLong(dropped).dropped(), dropped.batches().batchesPerEpoch());
        assertEquals(longest - 1, longest(dropped));
        String cut = refusal(captions(image, shorter.replace("drop", "truncate"), bpe));
        assertTrue(cut.contains("choose one of error, drop"), cut);

        String grid =
                "data={path: null, source: grid_world, grid_episodes: 60, max_length: %d, validation_share: 0, packing: false, on_too_long: %s}";
        Preparation episodes =
                Preparation.of(recipe("agent_tokens", "error", grid.formatted(600, "error")), note -> {});
        int most = longest(episodes);
        Preparation some =
                Preparation.of(recipe("agent_tokens", "error", grid.formatted(most - 1, "drop")), note -> {});
        assertTrue(tooLong(some).dropped() > 0);
        assertTrue(longest(some) < most);
        String message = refusal(recipe("agent_tokens", "error", grid.formatted(most - 1, "error")));
        assertTrue(message.contains(most + " tokens, more than the " + (most - 1)), message);
    }

    private Block captions(String objective, String data, String tokenizer) {
        return TinyRuns.blockOf(
                CLIP, folder, "objective=" + objective, data, tokenizer, "per_device_train_batch_size=1");
    }

    /** A text put together anew is longer by its three sentinels, and a row of its own in each epoch. */
    @Test
    void textsToFillInAreLeftOutOrCut() {
        String always = "{type: fim, fim_rate: 1, split: token}";
        Preparation dropped = Preparation.of(recipe(always, "drop"), note -> {});
        assertEquals(2, tooLong(dropped).dropped());
        assertEquals(3, documents(dropped, 1));
        Preparation truncated = Preparation.of(recipe(always, "truncate"), note -> {});
        assertEquals(2, tooLong(truncated).truncated());
        assertEquals(5, documents(truncated, 1));
        assertEquals(34, longest(truncated));
        int longest = longest(dropped);
        assertEquals("a miller".length() + 3, longest, "sentinels take room");
        for (int room : new int[] {longest, longest - 1}) {
            Preparation p = Preparation.of(recipe(always, "drop", "data.max_length=" + room), note -> {});
            assertTrue(longest(p) <= room);
            assertEquals(room == longest ? 2 : 4, tooLong(p).dropped(), "two are as long as that: " + room);
        }
        for (String answer : List.of("error", "split")) {
            String message = refusal(recipe(always, answer));
            assertTrue(message.contains("choose one of drop, truncate"), message);
        }
        String packed = refusal(recipe(always, "drop", "data.packing=true"));
        assertTrue(packed.contains("has no effect"), packed);
    }

    @Test
    void whereNoRowIsADocumentItIsRefused() {
        for (String objective : List.of("nsp", "mlm")) {
            String message = refusal(recipe(objective, "drop", "data.packing=true"));
            assertTrue(message.contains("data.on_too_long: has no effect"), message);
        }
    }

    @Test
    void countsAreInThePlanTheFirstLineOfMetricsAndTheCard() throws IOException {
        Block recipe =
                recipe("mlm", "drop", "max_steps=4", "save_steps=2", "eval_steps=0", "per_device_train_batch_size=2");
        TooLong planned = TrainingPlan.of(Preparation.of(recipe, note -> {}), note -> {})
                .data()
                .tooLong()
                .orElseThrow();
        assertEquals(2, planned.count());
        Path run = TinyRuns.train(recipe).folder();
        assertTrue(
                Files.readString(run.resolve("README.md")).contains("2 of 5: 2 left out, 0 cut, 0 split"),
                "the model card");
        List<Map<String, Double>> lines = TinyRuns.metrics(run);
        Map<String, Double> first = lines.getFirst();
        assertEquals(2.0, first.get("data_too_long"));
        assertEquals(2.0, first.get("data_dropped"));
        assertEquals(0.0, first.get("data_truncated"));
        assertEquals(0.0, first.get("data_split"));
        assertTrue(first.get("data_lost_tokens") > LONG.length());
        assertFalse(lines.get(1).containsKey("data_too_long"));
    }

    /** Whole texts of several lines are what a unigram tokenizer learns from; no line break is unknown to it. */
    @Test
    void aUnigramTokenizerNeedsNoLines() throws IOException {
        Files.writeString(folder.resolve("text.txt"), TinyRuns.text(3, 60));
        Preparation p = Preparation.of(
                recipe("causal_lm", "truncate", "data.text_unit=file", "tokenizer={type: unigram, vocab_size: 60}"),
                note -> {});
        String text = Files.readString(folder.resolve("text.txt"));
        int[] ids = p.tokenizer().encode(text);
        assertEquals(text.strip(), p.tokenizer().decode(ids).strip());
        assertTrue(Arrays.stream(ids).noneMatch(id -> id == p.tokenizer().id("<unk>")));
    }
}
