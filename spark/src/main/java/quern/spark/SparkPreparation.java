package quern.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apache.spark.api.java.JavaSparkContext;
import quern.data.corpus.PreparePlan;
import quern.data.corpus.PrepareRecipe;
import quern.data.corpus.PrepareReport;
import quern.data.corpus.PreparedCorpus;
import quern.data.corpus.StageReport;
import quern.recipe.QuernException;
import quern.spark.internal.SparkRun;

/**
 * Prepares a corpus on Spark: the same documents stay, with the same texts, in the same order, as {@link
 * quern.data.corpus.CorpusPreparation} leaves, for any number of executors. The folder is one that {@code data.path} of a
 * training recipe can name; its shards are cut at other places.
 *
 * <p>Every executor reads the sources and writes shards under the paths that the recipe names, so they lie on storage that
 * all of them see. Stages are not kept from one run to the next; a task that fails is run again by Spark.
 */
public final class SparkPreparation {
    private SparkPreparation() {}

    /**
     * Does it all.
     *
     * @param context of the cluster
     * @param recipe what to do
     * @param notes takes lines for a person to read
     * @throws QuernException for a recipe that doesn't fit, and where no document is left
     */
    public static PrepareReport run(JavaSparkContext context, PrepareRecipe recipe, Consumer<String> notes) {
        long start = System.nanoTime();
        if (recipe.tokenizer().isPresent()) {
            throw QuernException.badInput(
                    "prepare.tokenizer: token shards are not written on Spark; leave it out, and name the prepared folder as data.path of a training recipe with a tokenizer");
        }
        PreparePlan plan = PreparePlan.of(recipe);
        SparkRun run = new SparkRun(context, plan);
        List<StageReport> reports = new ArrayList<>();
        run.steps(report -> {
            reports.add(report);
            notes.accept("%s: %,d in, %,d out".formatted(report.type(), report.documentsIn(), report.documentsOut()));
            if (report.documentsOut() == 0) {
                PreparedCorpus.nothingLeft(plan, reports);
                throw QuernException.badInput(
                        "prepare: no document is left after '%s', to which %,d came; %s shows examples",
                        report.type(), report.documentsIn(), recipe.outputDir().resolve("report.html"));
            }
        });
        PreparedCorpus.begin(recipe.outputDir());
        List<PrepareReport.Shard> shards = run.write();
        PrepareReport report = new PrepareReport(
                SparkRun.key(shards),
                reports,
                shards,
                reports.getLast().documentsOut(),
                java.util.Optional.empty(),
                (System.nanoTime() - start) / 1e9);
        PreparedCorpus.end(recipe.outputDir(), report);
        notes.accept("documents: %,d in %d shards".formatted(report.documents(), shards.size()));
        return report;
    }
}
