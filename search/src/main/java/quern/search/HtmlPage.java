package quern.search;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import quern.recipe.QuernException;

/** Writes a {@link Page} as one HTML file that needs no other: pictures are inside, and both colour schemes are served. */
final class HtmlPage {
    private static final String STYLE = """
            :root { color-scheme: light dark; --ground: #ffffff; --ink: #202124; --soft: #5f6368; --line: #d5d7da; }
            @media (prefers-color-scheme: dark) {
              :root { --ground: #16181c; --ink: #e6e6e6; --soft: #a5a9ae; --line: #3c4046; }
            }
            body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
              max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
            h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2rem; }
            .wide { overflow-x: auto; }
            table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
            th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
              vertical-align: top; white-space: nowrap; }
            th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 8rem; }
            th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
            figure { margin: 1rem 0; } img { max-width: 100%; height: auto; border: 1px solid var(--line); }
            figcaption { color: var(--soft); font-size: .9rem; }
            """;

    private HtmlPage() {}

    /**
     * The file's text.
     *
     * @param folder where the pictures are
     */
    static String of(Page page, Path folder) {
        StringBuilder out =
                new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        out.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        out.append("<title>").append(escaped(page.title())).append("</title>\n<style>\n");
        out.append(STYLE).append("</style>\n</head>\n<body>\n");
        out.append("<h1>").append(escaped(page.title())).append("</h1>\n");
        for (Page.Part part : page.parts()) {
            switch (part) {
                case Page.Heading heading -> element(out, "h2", heading.text());
                case Page.Text text -> element(out, "p", text.text());
                case Page.Bullets bullets -> {
                    out.append("<ul>\n");
                    bullets.items().forEach(item -> element(out, "li", item));
                    out.append("</ul>\n");
                }
                case Page.Table table -> {
                    out.append("<div class=\"wide\"><table>\n<thead>");
                    row(out, "th", table.header());
                    out.append("</thead>\n<tbody>\n");
                    table.rows().forEach(row -> row(out, "td", row));
                    out.append("</tbody>\n</table></div>\n");
                }
                case Page.Picture picture -> {
                    out.append("<figure><picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"")
                            .append(data(folder.resolve(picture.dark())))
                            .append("\"><img src=\"")
                            .append(data(folder.resolve(picture.light())))
                            .append("\" alt=\"")
                            .append(escaped(picture.caption()))
                            .append("\"></picture>");
                    element(out, "figcaption", picture.caption());
                    out.append("</figure>\n");
                }
            }
        }
        return out.append("</body>\n</html>\n").toString();
    }

    private static void row(StringBuilder out, String cell, List<String> cells) {
        out.append("<tr>");
        cells.forEach(text -> out.append("<")
                .append(cell)
                .append(">")
                .append(escaped(text))
                .append("</")
                .append(cell)
                .append(">"));
        out.append("</tr>\n");
    }

    private static void element(StringBuilder out, String name, String text) {
        out.append("<")
                .append(name)
                .append(">")
                .append(escaped(text))
                .append("</")
                .append(name)
                .append(">\n");
    }

    private static String data(Path picture) {
        try {
            return "data:image/png;base64," + Base64.getEncoder().encodeToString(Files.readAllBytes(picture));
        } catch (IOException e) {
            throw QuernException.failed("%s: the picture was drawn but can't be read: %s", picture, e.getMessage());
        }
    }

    static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
