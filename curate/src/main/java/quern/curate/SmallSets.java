package quern.curate;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.curate.DatasetDistillation.Learner;
import quern.curate.DatasetDistillation.Problem;
import quern.curate.DatasetDistillation.Progress;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.FolderLock;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.train.Preparation;
import tools.jackson.databind.json.JsonMapper;

/**
 * The small sets of a recipe with a block {@code dataset_distillation}, each a folder below its {@code output_dir}: {@code learnt},
 * where rows are learnt, and one for every core set. What is there already is not made again; learning that was stopped
 * or killed goes on.
 */
public final class SmallSets {
    private static final String STATE_FILE = "learning.safetensors";
    private static final String FINGERPRINT = "fingerprint";

    private final SmallSetRecipe recipe;
    private final Block training;
    private final Preparation preparation;
    private final TextRows text;
    private final Path output;
    private final Progress progress;

    private SmallSets(SmallSetRecipe recipe, Block training, Preparation preparation, Progress progress) {
        this.recipe = recipe;
        this.training = training;
        this.preparation = preparation;
        this.output = preparation.recipe().outputDir();
        this.progress = progress;
        this.text = TextRows.of(new Objective.Input(
                preparation.store().train(),
                preparation.tokenizer(),
                preparation.data(),
                1,
                preparation.recipe().seed()));
    }

    /**
     * A way to train: what is added to the recipe for it.
     *
     * @param settings as KEY=VALUE
     */
    public record Arm(String name, List<String> settings) {}

    /**
     * The sets, ready to be trained on.
     *
     * @param rows in each
     * @param training the recipe without the block
     * @param arms the first is the baseline, the last the learnt rows where there are any
     */
    public record Made(Path folder, int rows, Block training, List<Arm> arms) {}

    /**
     * Makes whatever is not made yet.
     *
     * @return empty where a stop was asked for; the same call goes on
     * @throws QuernException bad input where the recipe is wrong, or the folder holds sets of another recipe
     */
    public static Optional<Made> make(Block block, Progress progress) {
        SmallSetRecipe recipe = SmallSetRecipe.of(block);
        Optional<SmallSetRecipe.Learning> learning = recipe.learning();
        recipe.against().forEach(rival -> SmallSetRecipe.chooser(rival, 1));
        Block training = SmallSetRecipe.training(block);
        SmallSetObjective.checkData(Recipe.from(training).data().bind(DataConfig.class));
        SmallSets sets = new SmallSets(recipe, training, Preparation.of(training, progress::note), progress);
        try {
            Files.createDirectories(sets.output);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(sets.output, -1, e);
        }
        try (FolderLock lock = FolderLock.take(sets.output)
                .orElseThrow(() -> QuernException.badInput(
                        "%s: another process is making small sets in this folder; wait for it, or choose another output_dir",
                        sets.output))) {
            return sets.make(learning);
        }
    }

    private Optional<Made> make(Optional<SmallSetRecipe.Learning> learning) {
        List<Arm> arms = new ArrayList<>();
        for (Block rival : recipe.against()) {
            String name = SmallSetRecipe.name(rival);
            double share = Math.min(1, (double) recipe.rows() / text.count());
            Optional<SmallSetRecipe.Chooser> chooser = SmallSetRecipe.chooser(rival, share);
            if (chooser.isPresent()) {
                choose(name, rival, chooser.get());
                arms.add(onSet(name));
            } else if (rival.text("type").equals(SmallSetRecipe.RANDOM)) {
                arms.add(new Arm(
                        name, List.of("objective={type: small_set, random_rows: %d}".formatted(recipe.rows()))));
            } else {
                arms.add(new Arm(name, List.of()));
            }
        }
        if (learning.isPresent()) {
            if (!learn(learning.get())) {
                return Optional.empty();
            }
            arms.add(onSet(SmallSetRecipe.LEARNT));
        }
        return Optional.of(new Made(output, recipe.rows(), training, List.copyOf(arms)));
    }

    private Arm onSet(String name) {
        // A JSON string is a YAML string too, whatever the path is made of.
        String path =
                JsonMapper.shared().writeValueAsString(output.resolve(name).toString());
        return new Arm(name, List.of("objective={type: small_set, path: %s}".formatted(path)));
    }

    /** Whether the rows are learnt, and nobody stopped it. */
    private boolean learn(SmallSetRecipe.Learning learning) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("kind", SmallSetRecipe.BLOCK);
        settings.putAll(recipe.method().orElseThrow().toMap());
        String fingerprint = fingerprint(settings);
        Path folder = output.resolve(SmallSetRecipe.LEARNT);
        if (isMade(folder, fingerprint)) {
            return true;
        }
        Path stateFile = output.resolve(STATE_FILE);
        Problem problem = new Problem(preparation, text, recipe.rows(), progress);
        try (Learner learner = learning.technique().begin(problem, learning.config())) {
            if (Files.isRegularFile(stateFile)) {
                learner.load(LearnerState.read(stateFile, fingerprint));
                progress.note("going on behind round %,d of %,d".formatted(learner.done(), learner.rounds()));
            }
            DatasetDistillation.learn(learner, progress, after -> after.state().write(stateFile, fingerprint));
            if (learner.done() < learner.rounds()) {
                return false;
            }
            settings.put(FINGERPRINT, fingerprint);
            settings.put("losses", means(learner));
            SmallSet rows = learner.rows();
            new SmallSet(rows.rows(), rows.learnt(), rows.tokenizer(), settings).write(folder);
        }
        DurableFiles.deleteTree(stateFile);
        progress.note("learnt %,d rows: %s".formatted(recipe.rows(), folder));
        return true;
    }

    /** The mean loss of every round. */
    private static List<Double> means(Learner learner) {
        float[] losses = learner.losses();
        int each = losses.length / learner.rounds();
        List<Double> means = new ArrayList<>();
        for (int round = 0; round < learner.rounds(); round++) {
            double sum = 0;
            for (int i = 0; i < each; i++) {
                sum += losses[round * each + i];
            }
            means.add(sum / each);
        }
        return means;
    }

    private void choose(String name, Block rival, SmallSetRecipe.Chooser chooser) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("kind", chooser.technique().kind());
        settings.putAll(rival.toMap());
        List<String> files = new ArrayList<>();
        chooser.files().forEach(file -> files.add(DurableFiles.sha256(file)));
        settings.put("files", files);
        String fingerprint = fingerprint(settings);
        Path folder = output.resolve(name);
        if (isMade(folder, fingerprint)) {
            return;
        }
        progress.note("choosing %,d of %,d rows by %s".formatted(recipe.rows(), text.count(), name));
        long[] chosen = chosen(chooser);
        settings.put(FINGERPRINT, fingerprint);
        settings.put("row_numbers", Arrays.stream(chosen).boxed().toList());
        new SmallSet(
                        text.read(chosen),
                        Optional.empty(),
                        preparation.tokenizer().fingerprint(),
                        settings)
                .write(folder);
    }

    private long[] chosen(SmallSetRecipe.Chooser chooser) {
        Path scratch;
        try {
            scratch = Files.createTempDirectory("quern-small-set");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Deduplication.Corpus corpus = new RowCorpus(text, preparation.tokenizer());
        Deduplication.Context context = new Deduplication.Context(
                scratch,
                Runtime.getRuntime().maxMemory() / 2,
                Runtime.getRuntime().availableProcessors(),
                progress::note);
        List<Long> kept = new ArrayList<>();
        try (Deduplication.Decisions decisions = chooser.technique().decide(corpus, chooser.config(), context);
                Deduplication.Corpus.Cursor pass = corpus.open()) {
            for (long i = 0; i < corpus.count(); i++) {
                if (decisions.judge(i, pass.next()) == Verdict.KEEP) {
                    kept.add(i);
                }
            }
        } finally {
            DurableFiles.deleteTree(scratch);
        }
        return kept.stream().mapToLong(Long::longValue).toArray();
    }

    /** Whether the set is there; one of another recipe is refused, since trainings on it may be there too. */
    private boolean isMade(Path folder, String fingerprint) {
        if (!Files.exists(folder)) {
            return false;
        }
        if (!fingerprint.equals(SmallSet.read(folder).madeBy().get(FINGERPRINT))) {
            throw QuernException.badInput(
                    "%s: a set that another recipe or another text made; choose another output_dir, or delete it",
                    folder);
        }
        progress.note("%s is there already".formatted(folder));
        return true;
    }

    /** Of all that a set depends on. */
    private String fingerprint(Map<String, Object> settings) {
        String all = "%s\n%s\n%d\n%s"
                .formatted(
                        JsonMapper.shared()
                                .writeValueAsString(
                                        training.without("output_dir").toMap()),
                        JsonMapper.shared().writeValueAsString(settings),
                        recipe.rows(),
                        preparation.dataFingerprint());
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(all.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
