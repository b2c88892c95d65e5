package quern.search;

import java.util.List;

/**
 * A page of results before it is Markdown or HTML.
 *
 * @param title the heading
 * @param parts what stands below it
 */
record Page(String title, List<Part> parts) {
    Page {
        parts = List.copyOf(parts);
    }

    /** A piece of a page. */
    sealed interface Part {}

    /** A heading of the second level. */
    record Heading(String text) implements Part {}

    /** A paragraph. */
    record Text(String text) implements Part {}

    /** A list of sentences. */
    record Bullets(List<String> items) implements Part {}

    /** A table; its first column is text, the others are figures. */
    record Table(List<String> header, List<List<String>> rows) implements Part {}

    /** A picture in two files beside the page: {@code <name>-light.png} and {@code <name>-dark.png}. */
    record Picture(String name, String caption) implements Part {
        String light() {
            return name + "-light.png";
        }

        String dark() {
            return name + "-dark.png";
        }
    }
}
