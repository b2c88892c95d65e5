package quern.search;

import java.util.List;

/** Writes a {@link Page} as GitHub's Markdown, with the pictures beside it. */
final class MarkdownPage {
    private MarkdownPage() {}

    static String of(Page page) {
        StringBuilder out =
                new StringBuilder("# ").append(escaped(page.title())).append("\n");
        for (Page.Part part : page.parts()) {
            out.append('\n');
            switch (part) {
                case Page.Heading heading ->
                    out.append("## ").append(escaped(heading.text())).append('\n');
                case Page.Text text -> out.append(escaped(text.text())).append('\n');
                case Page.Bullets bullets ->
                    bullets.items()
                            .forEach(item ->
                                    out.append("- ").append(escaped(item)).append('\n'));
                case Page.Table table -> {
                    row(out, table.header());
                    out.append("|---")
                            .append("|---:".repeat(table.header().size() - 1))
                            .append("|\n");
                    table.rows().forEach(row -> row(out, row));
                }
                case Page.Picture picture ->
                    out.append("<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"")
                            .append(picture.dark())
                            .append("\"><img src=\"")
                            .append(picture.light())
                            .append("\" alt=\"")
                            .append(HtmlPage.escaped(picture.caption()))
                            .append("\"></picture>\n");
            }
        }
        return out.toString();
    }

    private static void row(StringBuilder out, List<String> cells) {
        out.append("| ");
        out.append(String.join(" | ", cells.stream().map(MarkdownPage::escaped).toList()));
        out.append(" |\n");
    }

    /** A user's names may hold what Markdown reads as its own. */
    private static String escaped(String text) {
        return text.replaceAll("([\\\\`*_{}\\[\\]<>|#])", "\\\\$1").replaceAll("\\R", " ");
    }
}
