package quern.data.corpus.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusPreparation;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Deduplication;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.PreparePlan;
import quern.data.corpus.StageReport;
import quern.data.corpus.Verdict;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Runs the steps of a plan one after the other, each from the output of the last one. */
public final class StageRun implements AutoCloseable {
    /** Records that make up a batch, and the bytes that end one earlier. */
    private static final int BATCH_RECORDS = 256;

    private static final long BATCH_BYTES = 1 << 20;
    private static final long SHOWN_NANOS = 100_000_000L;
    /** Of the heap, what batches under way may hold; a document is held several times over while it is worked on. */
    private static final int HEAP_SHARE = 24;

    private static final long LEAST_BYTES = 1 << 20;

    private final PreparePlan plan;
    private final List<String> keys;
    private final Path work;
    private final CorpusPreparation.Watcher watcher;
    private final OrderedPipe pipe;
    private final int examples;
    private long shown;

    /** What became of a batch. */
    private record Done(PartFile.Frame frame, int documents, StageReport report) {}

    /** Runs in a folder; {@code keys} name the outputs of the steps. */
    public StageRun(PreparePlan plan, List<String> keys, Path work, CorpusPreparation.Watcher watcher) {
        this.plan = plan;
        this.keys = keys;
        this.work = work;
        this.watcher = watcher;
        this.examples = plan.recipe().examples();
        long bytes = Math.max(LEAST_BYTES, Runtime.getRuntime().maxMemory() / HEAP_SHARE);
        this.pipe = new OrderedPipe(plan.recipe().threadCount(), bytes);
    }

    OrderedPipe pipe() {
        return pipe;
    }

    private String name(int step) {
        return step == 0 ? "read" : plan.stages().get(step - 1).technique().id();
    }

    private StageFolder folder(int step) {
        return new StageFolder(work.resolve(String.format(
                Locale.ROOT, "%02d-%s-%s", step, name(step), keys.get(step).substring(0, 16))));
    }

    /** Runs one step: 0 reads the sources, 1 is the first stage. What is cached is not run. */
    public StageReport stage(int step) {
        StageFolder out = folder(step);
        StageReport report = out.report().map(done -> again(done)).orElse(null);
        if (report == null || !isWhole(out, step)) {
            long start = System.nanoTime();
            report = step == 0
                    ? read(out)
                    : plan.stages().get(step - 1).technique() instanceof DocumentFilter
                            ? filter(step, out)
                            : deduplicate(step, out);
            report = timed(report, (System.nanoTime() - start) / 1e9);
            out.finish(report);
        }
        watcher.progress(name(step), step, keys.size(), 1, report.documentsOut());
        watcher.note(line(report));
        return report;
    }

    private static String line(StageReport report) {
        long left = report.documentsIn() - report.documentsOut();
        String speed = report.cached()
                ? "cached"
                : String.format(
                        Locale.ROOT,
                        "%,.0f documents/s, %.1f MB/s",
                        report.documentsIn() / Math.max(report.seconds(), 1e-3),
                        ReportPage.megabytes(report) / Math.max(report.seconds(), 1e-3));
        return "%s: %,d in, %,d out (%,d fewer), %s"
                .formatted(report.type(), report.documentsIn(), report.documentsOut(), left, speed);
    }

    private int units(int step) {
        return step == 0 ? plan.sources().size() : parts(step - 1).size();
    }

    private boolean isWhole(StageFolder folder, int step) {
        int units = units(step);
        for (int unit = 0; unit < units; unit++) {
            if (folder.finished(unit).isEmpty()) {
                return false;
            }
        }
        return true;
    }

    /** The parts of a step that is finished, in corpus order. */
    List<Path> parts(int step) {
        StageFolder folder = folder(step);
        List<Path> files = new ArrayList<>();
        for (StageFolder.Part part : partsOf(folder, step)) {
            files.add(folder.file(part));
        }
        return files;
    }

    private List<StageFolder.Part> partsOf(StageFolder folder, int step) {
        List<StageFolder.Part> parts = new ArrayList<>();
        // A later step has as many units as the one before has parts.
        int units = step == 0
                ? plan.sources().size()
                : partsOf(folder(step - 1), step - 1).size();
        for (int unit = 0; unit < units; unit++) {
            int number = unit;
            parts.addAll(folder.finished(unit)
                    .orElseThrow(() -> QuernException.failed(
                            "%s: unit %d of this stage is missing; run again", folder.folder(), number))
                    .parts());
        }
        return parts;
    }

    /** The last step's parts. */
    List<Path> finalParts() {
        return parts(keys.size() - 1);
    }

    private StageReport read(StageFolder out) {
        StageTally total = new StageTally(examples);
        List<PreparePlan.Source> sources = plan.sources();
        for (int unit = 0; unit < sources.size(); unit++) {
            int number = unit;
            StageFolder.Unit made = out.finished(unit).orElseGet(() -> readFile(number, sources.get(number), out));
            total.add(made.report());
            show(0, (unit + 1.0) / sources.size(), total);
        }
        return total.report("read");
    }

    private StageFolder.Unit readFile(int unit, PreparePlan.Source source, StageFolder out) {
        StageTally tally = new StageTally(examples);
        StageTally reading = new StageTally(examples);
        try (StageFolder.Writer writer = out.new Writer(unit)) {
            try (RawBatches batches = new RawBatches(source, reading)) {
                pipe.run(batches, this::decode, done -> {
                    writer.add(done.frame(), done.documents());
                    tally.add(done.report());
                    show(0, (double) unit / plan.sources().size(), tally);
                });
            } catch (QuernException e) {
                throw e;
            }
            tally.read(size(source.file().path()));
            tally.add(reading.report("read"));
            StageFolder.Unit made = new StageFolder.Unit(writer.finish(), tally.report("read"));
            out.finish(unit, made);
            return made;
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, file + ": can not be read (" + e.getMessage() + ")", e);
        }
    }

    /** Gathers the records of a file into batches. */
    private static final class RawBatches implements OrderedPipe.Source<List<CorpusReader.Raw>>, AutoCloseable {
        private final CorpusReader.Records records;

        RawBatches(PreparePlan.Source source, StageTally tally) {
            records = source.reader().open(source.file(), source.config(), tally);
        }

        @Override
        public List<CorpusReader.Raw> next() {
            List<CorpusReader.Raw> batch = new ArrayList<>();
            long bytes = 0;
            while (batch.size() < BATCH_RECORDS && bytes < BATCH_BYTES) {
                CorpusReader.Raw raw = records.next();
                if (raw == null) {
                    break;
                }
                batch.add(raw);
                bytes += raw.bytes();
            }
            return batch.isEmpty() ? null : batch;
        }

        @Override
        public long bytes(List<CorpusReader.Raw> batch) {
            return batch.stream().mapToLong(CorpusReader.Raw::bytes).sum();
        }

        @Override
        public void close() {
            records.close();
        }
    }

    private Done decode(List<CorpusReader.Raw> batch) {
        StageTally tally = new StageTally(examples);
        List<CorpusDocument> documents = new ArrayList<>();
        for (CorpusReader.Raw raw : batch) {
            documents.addAll(documents(raw, tally));
        }
        return new Done(PartFile.pack(documents), documents.size(), tally.report("read"));
    }

    /** The documents of a record that hold text. */
    public static List<CorpusDocument> documents(CorpusReader.Raw raw, StageTally tally) {
        List<CorpusDocument> documents = new ArrayList<>();
        tally.record();
        for (CorpusDocument document : raw.documents(tally)) {
            if (document.text().isBlank()) {
                tally.count("empty", 1);
            } else {
                tally.out(document);
                documents.add(document);
            }
        }
        return documents;
    }

    private StageReport filter(int step, StageFolder out) {
        PreparePlan.Stage stage = plan.stages().get(step - 1);
        DocumentFilter filter = (DocumentFilter) stage.technique();
        StageTally total = new StageTally(examples);
        List<Path> inputs = parts(step - 1);
        filter.quarantined(stage.config(), total);
        try (DocumentFilter.Judge judge = filter.open(stage.config())) {
            for (int unit = 0; unit < inputs.size(); unit++) {
                int number = unit;
                StageFolder.Unit made = out.finished(unit).orElseGet(() -> {
                    Path input = inputs.get(number);
                    return unit(number, input, out, step, (double) number / inputs.size(), frame -> {
                        StageTally tally = new StageTally(examples);
                        List<CorpusDocument> documents = PartFile.unpack(input, frame);
                        List<CorpusDocument> kept = apply(documents, judge.judgeAll(documents), tally);
                        return new Done(PartFile.pack(kept), kept.size(), tally.report(filter.id()));
                    });
                });
                total.add(made.report());
                show(step, (unit + 1.0) / inputs.size(), total);
            }
        }
        return total.report(filter.id());
    }

    private StageFolder.Unit unit(
            int unit,
            Path input,
            StageFolder out,
            int step,
            double share,
            java.util.function.Function<PartFile.Frame, Done> work) {
        StageTally tally = new StageTally(examples);
        try (StageFolder.Writer writer = out.new Writer(unit);
                PartFile.Reader reader = new PartFile.Reader(input)) {
            pipe.run(frames(reader), work, done -> {
                writer.add(done.frame(), done.documents());
                tally.add(done.report());
                show(step, share, tally);
            });
            StageFolder.Unit made = new StageFolder.Unit(writer.finish(), tally.report(name(step)));
            out.finish(unit, made);
            return made;
        }
    }

    static OrderedPipe.Source<PartFile.Frame> frames(PartFile.Reader reader) {
        return new OrderedPipe.Source<>() {
            @Override
            public PartFile.Frame next() {
                return reader.next();
            }

            @Override
            public long bytes(PartFile.Frame frame) {
                return frame.bytes();
            }
        };
    }

    /** Carries out the verdicts; gives what stays. */
    private static List<CorpusDocument> apply(
            List<CorpusDocument> documents, List<Verdict> verdicts, StageTally tally) {
        if (verdicts.size() != documents.size()) {
            throw new IllegalStateException(verdicts.size() + " verdicts on " + documents.size() + " documents");
        }
        List<CorpusDocument> kept = new ArrayList<>();
        for (int i = 0; i < documents.size(); i++) {
            apply(documents.get(i), verdicts.get(i), tally, kept);
        }
        return kept;
    }

    private static void apply(CorpusDocument document, Verdict verdict, StageTally tally, List<CorpusDocument> kept) {
        CorpusDocument stays = apply(document, verdict, tally);
        if (stays != null) {
            kept.add(stays);
        }
    }

    /** Carries out a verdict; what stays, or null. */
    public static CorpusDocument apply(CorpusDocument document, Verdict verdict, StageTally tally) {
        tally.in(document);
        CorpusDocument stays = switch (verdict) {
            case Verdict.Keep keep -> document;
            case Verdict.Drop drop -> {
                tally.drop(document, drop.reason(), drop.detail());
                yield null;
            }
            case Verdict.Replace replace -> {
                replace.changes().forEach(tally::count);
                if (replace.document().text().isBlank()) {
                    tally.drop(document, "nothing_left", "no text is left of it");
                    yield null;
                }
                yield replace.document();
            }
        };
        if (stays != null) {
            tally.out(stays);
        }
        return stays;
    }

    private StageReport deduplicate(int step, StageFolder out) {
        PreparePlan.Stage stage = plan.stages().get(step - 1);
        Deduplication dedup = (Deduplication) stage.technique();
        List<Path> inputs = parts(step - 1);
        Path scratch = out.folder().resolve("scratch");
        StageTally total = new StageTally(examples);
        try {
            DurableFiles.deleteTree(scratch);
            Files.createDirectories(scratch);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(scratch, -1, e);
        }
        Deduplication.Corpus corpus =
                new PartCorpus(inputs, folder(step - 1).report().orElseThrow());
        Deduplication.Context context = new Deduplication.Context(
                scratch, Runtime.getRuntime().maxMemory() / 3, plan.recipe().threadCount(), watcher::note);
        dedup.quarantined(stage.config(), total);
        StageReport report;
        try (Deduplication.Decisions decisions = dedup.decide(corpus, stage.config(), context)) {
            long[] index = {0};
            for (int unit = 0; unit < inputs.size(); unit++) {
                Path input = inputs.get(unit);
                StageTally tally = new StageTally(examples);
                try (StageFolder.Writer writer = out.new Writer(unit);
                        PartFile.Reader reader = new PartFile.Reader(input)) {
                    pipe.run(frames(reader), frame -> PartFile.unpack(input, frame), documents -> {
                        List<CorpusDocument> kept = new ArrayList<>();
                        for (CorpusDocument document : documents) {
                            apply(document, decisions.judge(index[0]++, document), tally, kept);
                        }
                        writer.add(PartFile.pack(kept), kept.size());
                    });
                    StageFolder.Unit made = new StageFolder.Unit(writer.finish(), tally.report(dedup.id()));
                    out.finish(unit, made);
                    total.add(made.report());
                }
                show(step, (unit + 1.0) / inputs.size(), total);
            }
            report = withTotals(total.report(dedup.id()), decisions);
        }
        DurableFiles.deleteTree(scratch);
        return report;
    }

    private void show(int step, double share, StageTally tally) {
        long now = System.nanoTime();
        if (now - shown >= SHOWN_NANOS) {
            shown = now;
            watcher.progress(name(step), step, keys.size(), share, tally.documentsOut());
        }
    }

    private static StageReport again(StageReport r) {
        return copy(r, r.totals(), r.clusters(), 0, true);
    }

    private static StageReport timed(StageReport r, double seconds) {
        return copy(r, r.totals(), r.clusters(), seconds, false);
    }

    private static StageReport withTotals(StageReport r, Deduplication.Decisions decisions) {
        return copy(r, new java.util.TreeMap<>(decisions.totals()), decisions.examples(), 0, false);
    }

    private static StageReport copy(
            StageReport r,
            java.util.Map<String, Long> totals,
            List<Deduplication.Cluster> clusters,
            double seconds,
            boolean cached) {
        return new StageReport(
                r.type(),
                r.documentsIn(),
                r.documentsOut(),
                r.charactersIn(),
                r.charactersOut(),
                r.bytesIn(),
                r.bytesOut(),
                r.dropped(),
                r.changed(),
                r.examples(),
                r.quarantined(),
                r.quarantine(),
                r.lengths(),
                r.languages(),
                totals,
                clusters,
                seconds,
                cached);
    }

    /** Deletes the outputs of stages of other recipes, or of all. */
    public void forgetOthers(boolean keepOwn) {
        Set<Path> own = new HashSet<>();
        for (int step = 0; step < keys.size() && keepOwn; step++) {
            own.add(folder(step).folder());
        }
        try (Stream<Path> found = Files.list(work)) {
            Iterator<Path> folders = found.filter(Files::isDirectory).iterator();
            while (folders.hasNext()) {
                Path folder = folders.next();
                if (!own.contains(folder)) {
                    DurableFiles.deleteTree(folder);
                }
            }
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, work + ": can not be read (" + e.getMessage() + ")", e);
        }
    }

    @Override
    public void close() {
        pipe.close();
    }
}
