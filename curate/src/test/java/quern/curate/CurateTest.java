package quern.curate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.BpeTrainer;
import quern.data.Rewriter;
import quern.data.Tokenizer;
import quern.data.augment.Augmentation;
import quern.data.augment.BackTranslation;
import quern.data.augment.Paraphrase;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SaveOptions;
import quern.models.SpecialTokens;
import quern.models.Task;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Scores and texts of models with new weights whose tokens are single bytes. */
class CurateTest {
    /** fp32 sums in another order. */
    private static final double SAME = 1e-4;

    private static final String TEXT = "The miller ground her corn.";

    @TempDir
    private static Path folder;

    private static Path gpt;
    private static Path t5;
    private static Tokenizer tokenizer;

    @BeforeAll
    static void make() {
        tokenizer = Tokenizer.of(new BpeTrainer().train(List.of("ab"), BpeTrainer.Config.of(257)));
        gpt = model(
                "gpt",
                "{family: gpt2, n_layer: 1, n_head: 2, n_embd: 16, n_positions: 64, initializer_range: 0.5}",
                Task.CAUSAL_LM);
        t5 = model(
                "t5",
                "{family: t5, d_model: 16, d_kv: 8, num_heads: 2, d_ff: 32, num_layers: 1, initializer_factor: 3.0}",
                Task.SEQ2SEQ_LM);
    }

    private static Path model(String name, String settings, Task task) {
        Block block = RecipeFile.load("test", settings, List.of());
        OptionalInt end = tokenizer.endOfText();
        ModelSpec spec = ModelSpec.fromRecipe(
                block, tokenizer.vocabularySize(), new SpecialTokens(end, end, end), Optional.of(task));
        Path path = folder.resolve(name);
        try (LanguageModel model = LanguageModel.create(spec, DType.FP32, Device.CPU, 3)) {
            model.save(path, SaveOptions.DEFAULT);
        }
        tokenizer.save(path);
        return path;
    }

    private static Block settings(Map<String, Object> values) {
        Block block = Block.empty(Position.of("stage"));
        for (Map.Entry<String, Object> value : values.entrySet()) {
            block = block.with(value.getKey(), value.getValue());
        }
        return block;
    }

    private static double score(ModelScorer.Measure measure, String text) {
        try (ModelScorer scorer = new ModelScorer(gpt, measure, 512)) {
            return scorer.score(List.of(text))[0];
        }
    }

    /** The text's tokens behind the end-of-text token. */
    private static long[] ids() {
        return IntStream.concat(tokenizer.endOfText().stream(), IntStream.of(tokenizer.encode(TEXT)))
                .asLongStream()
                .toArray();
    }

    @Test
    void scoresEqualTheirFormulas() {
        long[] ids = ids();
        try (LanguageModel model = LanguageModel.load(gpt, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            Tensor input = Tensor.of(ids, 1, ids.length);
            double loss = model.network()
                    .infer(model.lossInputs(input, null, input), Pass.evaluation())
                    .get("loss")
                    .item();
            double perplexity = score(ModelScorer.Measure.PERPLEXITY, TEXT);
            assertEquals(Math.exp(loss), perplexity, SAME * perplexity);

            Tensor probabilities = Functional.softmax(model.logits(input, null), 2);
            int vocabulary = (int) probabilities.size(2);
            float[] p = probabilities.toFloats();
            double sum = 0;
            for (int t = 1; t < ids.length; t++) {
                double squares = 0;
                for (int v = 0; v < vocabulary; v++) {
                    double error = p[(t - 1) * vocabulary + v] - (v == ids[t] ? 1 : 0);
                    squares += error * error;
                }
                sum += Math.sqrt(squares);
            }
            assertEquals(sum / (ids.length - 1), score(ModelScorer.Measure.EL2N, TEXT), SAME);

            // A step of h against the gradient g lowers the loss by h |g|^2 as h goes to 0.
            double norm = score(ModelScorer.Measure.GRADIENT_NORM, TEXT);
            double h = 1e-3 / (norm * norm);
            double lower = afterStep(model, input, h);
            double higher = afterStep(model, input, -2 * h);
            // The centred difference leaves the rounding of two losses in fp32, some 1e-6 of 2e-3.
            assertEquals(norm * norm, (higher - lower) / (2 * h), 0.01 * norm * norm);
        }
    }

    private static double afterStep(LanguageModel model, Tensor input, double rate) {
        try (Scope scope = Scope.open()) {
            if (model.parameters().getFirst().grad().isDefined()) {
                move(model, rate);
            } else {
                try (var tape = model.network().forward(model.lossInputs(input, null, input), Pass.evaluation())) {
                    tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
                }
                move(model, rate);
            }
            return model.network()
                    .infer(model.lossInputs(input, null, input), Pass.evaluation())
                    .get("loss")
                    .item();
        }
    }

    private static void move(LanguageModel model, double rate) {
        try (Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter parameter : model.parameters()) {
                if (parameter.grad().isDefined()) {
                    parameter.value().add_(parameter.grad(), -rate);
                }
            }
        }
    }

    @Test
    void aTextsScoreIsItsOwnAndLongOnesAreCut() {
        try (ModelScorer scorer = new ModelScorer(gpt, ModelScorer.Measure.PERPLEXITY, 8)) {
            double[] together = scorer.score(List.of(TEXT, "x", TEXT.substring(0, 7)));
            assertEquals(together[0], scorer.score(List.of(TEXT))[0]);
            assertEquals(together[0], together[2], "seven bytes behind the end-of-text token are eight tokens");
            assertTrue(Double.isNaN(scorer.score(List.of(""))[0]));
        }
        assertTrue(score(ModelScorer.Measure.PERPLEXITY, TEXT.repeat(50)) > 1);
    }

    @Test
    void theFilterKeepsWhatLiesBetweenItsBounds() {
        PerplexityFilter filter = new PerplexityFilter();
        double perplexity = score(ModelScorer.Measure.PERPLEXITY, TEXT);
        CorpusDocument document = new CorpusDocument("a", "a.txt", TEXT);
        for (int side : new int[] {-1, 1}) {
            Map<String, Object> bounds = Map.of("model", gpt.toString(), "max", perplexity * (1 + 0.01 * side));
            try (DocumentFilter.Judge judge = filter.open(settings(bounds).bind(filter.config()))) {
                Verdict verdict = judge.judge(document);
                if (side < 0) {
                    assertEquals("high_perplexity", ((Verdict.Drop) verdict).reason());
                } else {
                    String label =
                            ((Verdict.Replace) verdict).document().labels().get("perplexity");
                    assertEquals(perplexity, Double.parseDouble(label), 0.001 * perplexity);
                }
            }
        }
        assertFalse(filter.files(
                        settings(Map.of("model", gpt.toString(), "max", 10)).bind(filter.config()))
                .isEmpty());
        refused("give max, min or both", () -> settings(Map.of("model", "m")).bind(filter.config()));
        refused(
                "is more than max",
                () -> settings(Map.of("model", "m", "min", 5, "max", 4)).bind(filter.config()));
        refused(
                "for seq2seq_lm",
                () -> filter.open(
                        settings(Map.of("model", t5.toString(), "max", 5)).bind(filter.config())));
        refused(
                "no such folder",
                () -> filter.open(settings(Map.of("model", "nowhere", "max", 5)).bind(filter.config())));
    }

    @Test
    void aCoreSetKeepsTheHighestTheLowestOrTheMiddle() {
        double[] scores = {3, 1, Double.NaN, 2, 5};
        assertArrayEquals(scores, ModelScoreCoreSet.keys(scores, ModelScoreCoreSet.Keep.HIGHEST));
        assertArrayEquals(
                new double[] {-3, -1, Double.NaN, -2, -5},
                ModelScoreCoreSet.keys(scores, ModelScoreCoreSet.Keep.LOWEST));
        assertArrayEquals(
                new double[] {-0.5, -1.5, Double.NaN, -0.5, -1.5},
                ModelScoreCoreSet.keys(scores, ModelScoreCoreSet.Keep.MIDDLE));

        List<CorpusDocument> documents = new ArrayList<>();
        for (String text : List.of("aaaa", "The miller", "qzx", "corn and stone", "0")) {
            documents.add(new CorpusDocument(text, "test", text));
        }
        ModelScoreCoreSet technique = new ModelScoreCoreSet();
        for (ModelScorer.Measure measure : ModelScorer.Measure.values()) {
            List<String> high = kept(technique, documents, measure, "highest");
            List<String> low = kept(technique, documents, measure, "lowest");
            assertEquals(2, high.size());
            assertEquals(2, low.size());
            double least =
                    high.stream().mapToDouble(t -> score(measure, t)).min().orElseThrow();
            for (CorpusDocument document : documents) {
                assertTrue(high.contains(document.id()) || score(measure, document.id()) <= least);
            }
            assertTrue(low.stream().noneMatch(high::contains));
        }
    }

    private static List<String> kept(
            ModelScoreCoreSet technique, List<CorpusDocument> documents, ModelScorer.Measure measure, String keep) {
        Deduplication.Corpus corpus = new Deduplication.Corpus() {
            @Override
            public long count() {
                return documents.size();
            }

            @Override
            public Cursor open() {
                var iterator = documents.iterator();
                return new Cursor() {
                    @Override
                    public CorpusDocument next() {
                        return iterator.hasNext() ? iterator.next() : null;
                    }

                    @Override
                    public void close() {
                        // Nothing is open.
                    }
                };
            }
        };
        Block block = settings(Map.of(
                "model",
                gpt.toString(),
                "measure",
                measure.name().toLowerCase(java.util.Locale.ROOT),
                "keep",
                keep,
                "share",
                0.4));
        List<String> kept = new ArrayList<>();
        try (Deduplication.Decisions decisions = technique.decide(
                corpus, block.bind(technique.config()), new Deduplication.Context(folder, 1 << 20, 1, line -> {}))) {
            for (int i = 0; i < documents.size(); i++) {
                if (decisions.judge(i, documents.get(i)) == Verdict.KEEP) {
                    kept.add(documents.get(i).id());
                }
            }
        }
        return kept;
    }

    @Test
    void modelsWriteTextsAnew() {
        Seq2SeqRewriter technique = new Seq2SeqRewriter();
        try (Rewriter once = technique.open(List.of(t5));
                Rewriter twice = technique.open(List.of(t5, t5))) {
            String written = once.rewrite(List.of(TEXT), 1).getFirst();
            assertNotEquals(TEXT, written);
            assertEquals(written, once.rewrite(List.of(TEXT), 1).getFirst());
            assertEquals(once.rewrite(List.of(written), 1), twice.rewrite(List.of(TEXT), 1));
            assertEquals("paraphrase", once.name());
            assertEquals("back_translation", twice.name());
        }
        refused("has no encoder", () -> technique.open(List.of(gpt)));

        // The augmentations find the models.
        for (Augmentation augmentation : List.of(new Paraphrase(), new BackTranslation())) {
            List<String> models =
                    augmentation instanceof Paraphrase ? List.of(t5.toString()) : List.of(t5.toString(), t5.toString());
            Block block = settings(Map.of("models", models, "share", 1.0));
            try (Augmentation.Rewriting rewriting = augmentation.rewriting(block.bind(augmentation.config()))) {
                Augmentation.Change change = rewriting.apply(TEXT, 5);
                assertEquals(1, change.units());
                assertEquals(change.changed() == 0, change.text().equals(TEXT));
                assertEquals(change, rewriting.apply(TEXT, 5));
            }
        }
    }

    private static void refused(String part, org.junit.jupiter.api.function.Executable work) {
        QuernException refused = assertThrows(QuernException.class, work);
        assertTrue(refused.getMessage().contains(part), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }
}
