package quern.data.corpus.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Quarantine;
import quern.data.corpus.StageReport;
import quern.data.internal.Utf8;

/** Counts what a stage does to one batch of documents, and adds up such counts in corpus order. */
public final class StageTally implements Quarantine {
    private static final int SHOWN_TEXT = 300;
    private static final int SHOWN_DETAIL = 300;
    /** Labels of more languages than there are would be no languages. */
    private static final int MOST_LANGUAGES = 500;

    private final int examplesEach;
    private long documentsIn;
    private long documentsOut;
    private long charactersIn;
    private long charactersOut;
    private long bytesIn;
    private long bytesOut;
    private final Map<String, Long> dropped = new TreeMap<>();
    private final Map<String, Long> changed = new TreeMap<>();
    private final Map<String, List<StageReport.Example>> examples = new TreeMap<>();
    private final Map<String, Long> quarantined = new TreeMap<>();
    private final Map<String, List<StageReport.Example>> quarantine = new TreeMap<>();
    private final Map<Long, Long> lengths = new TreeMap<>();
    private final Map<String, Long> languages = new TreeMap<>();

    /** Counts nothing yet; keeps so many examples of each reason. */
    public StageTally(int examplesEach) {
        this.examplesEach = examplesEach;
    }

    /** Documents that stayed so far. */
    public long documentsOut() {
        return documentsOut;
    }

    /** A document came. */
    public void in(CorpusDocument document) {
        documentsIn++;
        charactersIn += document.text().length();
        bytesIn += Utf8.length(document.text());
    }

    /** A record came from a source. */
    public void record() {
        documentsIn++;
    }

    /** So many bytes of a source were read. */
    public void read(long bytes) {
        bytesIn += bytes;
    }

    /** A document stays. */
    public void out(CorpusDocument document) {
        documentsOut++;
        int length = document.text().length();
        charactersOut += length;
        bytesOut += Utf8.length(document.text());
        lengths.merge((long) Integer.highestOneBit(length), 1L, Long::sum);
        String language = document.labels().get("language");
        if (language != null && (languages.size() < MOST_LANGUAGES || languages.containsKey(language))) {
            languages.merge(language, 1L, Long::sum);
        }
    }

    /** A document leaves. */
    public void drop(CorpusDocument document, String reason, String detail) {
        dropped.merge(reason, 1L, Long::sum);
        example(examples, reason, document.id(), detail, document.text());
    }

    @Override
    public void add(String place, String reason, String detail) {
        quarantined.merge(reason, 1L, Long::sum);
        example(quarantine, reason, place, detail, "");
    }

    @Override
    public void count(String what, long times) {
        if (times > 0) {
            changed.merge(what, times, Long::sum);
        }
    }

    private void example(
            Map<String, List<StageReport.Example>> to, String reason, String place, String detail, String text) {
        List<StageReport.Example> list = to.computeIfAbsent(reason, r -> new ArrayList<>());
        if (list.size() < examplesEach) {
            list.add(new StageReport.Example(place, cut(detail, SHOWN_DETAIL), cut(text, SHOWN_TEXT)));
        }
    }

    private static String cut(String text, int most) {
        if (text.length() <= most) {
            return text;
        }
        int end = Character.isHighSurrogate(text.charAt(most - 1)) ? most - 1 : most;
        return text.substring(0, end) + "…";
    }

    /** Adds what comes after this in the corpus. */
    public void add(StageReport next) {
        documentsIn += next.documentsIn();
        documentsOut += next.documentsOut();
        charactersIn += next.charactersIn();
        charactersOut += next.charactersOut();
        bytesIn += next.bytesIn();
        bytesOut += next.bytesOut();
        sum(dropped, next.dropped());
        sum(changed, next.changed());
        sum(quarantined, next.quarantined());
        sum(lengths, next.lengths());
        sum(languages, next.languages());
        join(examples, next.examples());
        join(quarantine, next.quarantine());
    }

    private static <K> void sum(Map<K, Long> into, Map<K, Long> more) {
        more.forEach((key, value) -> into.merge(key, value, Long::sum));
    }

    private void join(Map<String, List<StageReport.Example>> into, Map<String, List<StageReport.Example>> more) {
        more.forEach((reason, list) -> {
            List<StageReport.Example> own = into.computeIfAbsent(reason, r -> new ArrayList<>());
            own.addAll(list.subList(0, Math.min(list.size(), examplesEach - own.size())));
        });
    }

    /** What was counted. */
    public StageReport report(String type) {
        return new StageReport(
                type,
                documentsIn,
                documentsOut,
                charactersIn,
                charactersOut,
                bytesIn,
                bytesOut,
                new TreeMap<>(dropped),
                new TreeMap<>(changed),
                copy(examples),
                new TreeMap<>(quarantined),
                copy(quarantine),
                new TreeMap<>(lengths),
                new TreeMap<>(languages),
                Map.of(),
                List.of(),
                0,
                false);
    }

    private static Map<String, List<StageReport.Example>> copy(Map<String, List<StageReport.Example>> of) {
        Map<String, List<StageReport.Example>> copy = new TreeMap<>();
        of.forEach((key, list) -> copy.put(key, List.copyOf(list)));
        return copy;
    }
}
