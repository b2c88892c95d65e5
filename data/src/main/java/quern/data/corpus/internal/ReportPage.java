package quern.data.corpus.internal;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import quern.data.corpus.Deduplication;
import quern.data.corpus.PrepareReport;
import quern.data.corpus.StageReport;

/** The report as one page of HTML without scripts and without anything fetched. */
final class ReportPage {
    private static final String STYLE = """
            body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
            table{border-collapse:collapse;margin:.5rem 0 1.5rem}
            th,td{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:right;vertical-align:top}
            th:first-child,td:first-child,td.text,th.text{text-align:left}
            td.text{max-width:38rem;overflow-wrap:anywhere}
            .bar{display:inline-block;height:.8rem;background:#4878a8}
            .note{color:#666}
            pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f4;padding:.5rem;margin:.25rem 0}
            @media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}th,td{border-color:#444}
            pre{background:#262626}.note{color:#999}}
            """;
    private static final int BAR_WIDTH = 320;
    private static final int MOST_LANGUAGES = 40;

    private final StringBuilder html = new StringBuilder();
    private final PrepareReport report;

    private ReportPage(PrepareReport report) {
        this.report = report;
    }

    static String of(PrepareReport report) {
        ReportPage page = new ReportPage(report);
        page.write();
        return page.html.toString();
    }

    private void write() {
        html.append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Prepared corpus</title>\n")
                .append("<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n")
                .append(STYLE)
                .append("</style></head><body>\n<h1>Prepared corpus</h1>\n");
        StageReport first = report.stages().getFirst();
        StageReport last = report.stages().getLast();
        html.append("<p>%,d records became %,d documents with %,d characters (%.1f MB of UTF-8)"
                .formatted(first.documentsIn(), last.documentsOut(), last.charactersOut(), last.bytesOut() / 1e6));
        report.tokens()
                .ifPresent(tokens -> html.append(", %,d tokens to train on and %,d to validate (vocabulary %,d)"
                        .formatted(tokens.train(), tokens.validation(), tokens.vocabularySize())));
        html.append(".</p>\n");
        stages();
        for (StageReport stage : report.stages()) {
            details(stage);
        }
        lengths(last);
        counts("Languages", last.languages(), MOST_LANGUAGES);
        shards();
        html.append("</body></html>\n");
    }

    private void stages() {
        double tokensACharacter = report.tokens()
                .map(t -> (double) (t.train() + t.validation())
                        / Math.max(1, report.stages().getLast().charactersOut()))
                .orElse(0.0);
        html.append(
                "<h2>Stages</h2>\n<table><tr><th>stage<th>documents in<th>out<th>share kept<th>characters in<th>out");
        if (tokensACharacter > 0) {
            html.append("<th>tokens out, about");
        }
        html.append("<th>seconds<th>documents/s<th>MB/s</tr>\n");
        for (StageReport stage : report.stages()) {
            html.append("<tr><td>").append(escape(stage.type()));
            cell("%,d".formatted(stage.documentsIn()));
            cell("%,d".formatted(stage.documentsOut()));
            cell("%.1f%%".formatted(100.0 * stage.documentsOut() / Math.max(1, stage.documentsIn())));
            cell(stage.charactersIn() == 0 ? "" : "%,d".formatted(stage.charactersIn()));
            cell("%,d".formatted(stage.charactersOut()));
            if (tokensACharacter > 0) {
                cell("%,.0f".formatted(stage.charactersOut() * tokensACharacter));
            }
            if (stage.cached()) {
                html.append("<td colspan=3>cached");
            } else {
                cell(String.format(Locale.ROOT, "%.1f", stage.seconds()));
                cell("%,.0f".formatted(stage.documentsIn() / Math.max(stage.seconds(), 1e-3)));
                cell("%,.1f".formatted(megabytes(stage) / Math.max(stage.seconds(), 1e-3)));
            }
            html.append("</tr>\n");
        }
        html.append("</table>\n");
    }

    /** Megabytes of text that a stage took in; of the reading, what it gave. */
    static double megabytes(StageReport stage) {
        return (stage.charactersIn() == 0 ? stage.bytesOut() : stage.bytesIn()) / 1e6;
    }

    private void cell(String text) {
        html.append("<td>").append(escape(text));
    }

    private void details(StageReport stage) {
        boolean something = !stage.dropped().isEmpty()
                || !stage.changed().isEmpty()
                || !stage.quarantined().isEmpty()
                || !stage.totals().isEmpty();
        if (!something) {
            return;
        }
        html.append("<h2>").append(escape(stage.type())).append("</h2>\n");
        reasons("dropped", stage.dropped(), stage.examples());
        reasons("quarantined", stage.quarantined(), stage.quarantine());
        counts("Changed", stage.changed(), Integer.MAX_VALUE);
        counts("Totals", stage.totals(), Integer.MAX_VALUE);
        clusters(stage.clusters());
    }

    private void reasons(String what, Map<String, Long> counts, Map<String, List<StageReport.Example>> examples) {
        counts.forEach((reason, count) -> {
            html.append("<details><summary>%s <b>%s</b>: %,d</summary>\n".formatted(what, escape(reason), count));
            html.append("<table>");
            for (StageReport.Example example : examples.getOrDefault(reason, List.of())) {
                html.append("<tr><td class=text>")
                        .append(escape(example.place()))
                        .append("<br><span class=note>")
                        .append(escape(example.detail()))
                        .append("</span><td class=text>");
                if (!example.text().isEmpty()) {
                    html.append("<pre>").append(escape(example.text())).append("</pre>");
                }
                html.append("</tr>\n");
            }
            html.append("</table></details>\n");
        });
    }

    private void counts(String title, Map<String, Long> counts, int most) {
        if (counts.isEmpty()) {
            return;
        }
        long largest = counts.values().stream().mapToLong(Long::longValue).max().orElse(1);
        html.append("<h3>").append(escape(title)).append("</h3>\n<table>");
        counts.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey()))
                .limit(most)
                .forEach(entry -> bar(entry.getKey(), entry.getValue(), largest));
        html.append("</table>\n");
    }

    private void lengths(StageReport last) {
        if (last.lengths().isEmpty()) {
            return;
        }
        long largest = last.lengths().values().stream()
                .mapToLong(Long::longValue)
                .max()
                .orElse(1);
        html.append("<h2>Length of documents in characters</h2>\n<table>");
        last.lengths().entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(entry ->
                        bar("%,d to %,d".formatted(entry.getKey(), 2 * entry.getKey() - 1), entry.getValue(), largest));
        html.append("</table>\n");
    }

    private void bar(String label, long count, long largest) {
        html.append("<tr><td>%s<td>%,d<td class=text><span class=bar style=\"width:%dpx\"></span></tr>\n"
                .formatted(escape(label), count, Math.max(1, Math.round((double) BAR_WIDTH * count / largest))));
    }

    private void clusters(List<Deduplication.Cluster> clusters) {
        if (clusters.isEmpty()) {
            return;
        }
        html.append("<details><summary>Largest clusters</summary><table><tr><th class=text>kept<th>size")
                .append("<th class=text>some of the others</tr>\n");
        for (Deduplication.Cluster cluster : clusters) {
            html.append("<tr><td class=text>%s<td>%,d<td class=text>%s</tr>\n"
                    .formatted(escape(cluster.kept()), cluster.size(), escape(String.join(", ", cluster.dropped()))));
        }
        html.append("</table></details>\n");
    }

    private void shards() {
        if (report.shards().isEmpty()) {
            return;
        }
        html.append("<h2>Shards</h2>\n<table><tr><th>file<th>documents<th>MB plain<th>MB<th class=text>SHA-256</tr>\n");
        for (PrepareReport.Shard shard : report.shards()) {
            html.append("<tr><td>%s<td>%,d<td>%,.1f<td>%,.1f<td class=text>%s</tr>\n"
                    .formatted(
                            escape(shard.name()),
                            shard.documents(),
                            shard.plainBytes() / 1e6,
                            shard.bytes() / 1e6,
                            shard.sha256()));
        }
        html.append("</table>\n");
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
