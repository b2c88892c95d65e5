package quern.data.corpus;

import java.util.List;
import java.util.Optional;
import quern.data.corpus.internal.StageRun;
import quern.data.corpus.internal.StageTally;

/**
 * Carries out one step of a {@link PreparePlan} on documents and counts what it does, for an engine that runs parts of a
 * corpus in different places: counts of the parts, added up in corpus order, are the counts of the whole. For one thread.
 */
public final class StageCounter {
    private final StageTally tally;

    /** Counts nothing yet; keeps so many examples of each reason. */
    public StageCounter(int examples) {
        tally = new StageTally(examples);
    }

    /** Where a reader puts what it can not read. */
    public Quarantine quarantine() {
        return tally;
    }

    /** The documents of a record that hold text. */
    public List<CorpusDocument> read(CorpusReader.Raw record) {
        return StageRun.documents(record, tally);
    }

    /** So many bytes of a source were read. */
    public void bytes(long bytes) {
        tally.read(bytes);
    }

    /** Carries out a verdict; what stays. */
    public Optional<CorpusDocument> apply(CorpusDocument document, Verdict verdict) {
        return Optional.ofNullable(StageRun.apply(document, verdict, tally));
    }

    /** Adds what comes after this in the corpus. */
    public void add(StageReport next) {
        tally.add(next);
    }

    /** What was counted. */
    public StageReport report(String type) {
        return tally.report(type);
    }
}
