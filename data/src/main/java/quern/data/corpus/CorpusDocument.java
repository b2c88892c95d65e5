package quern.data.corpus;

import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import quern.data.corpus.internal.DocumentJson;

/**
 * A document on its way through the preparation of a corpus.
 *
 * @param id unique in the corpus and the same in every run: made from the origin and the place there
 * @param origin the file that it came from, as the recipe names it
 * @param url where the page was fetched, of a crawl
 * @param text well-formed text, of at least one character
 * @param labels what is known about it by name: {@code language}, or fields that the source was told to keep; sorted
 */
public record CorpusDocument(String id, String origin, Optional<String> url, String text, Map<String, String> labels) {
    /** Takes a sorted copy of the labels. */
    public CorpusDocument {
        Objects.requireNonNull(id);
        Objects.requireNonNull(origin);
        Objects.requireNonNull(url);
        Objects.requireNonNull(text);
        labels = Collections.unmodifiableMap(new TreeMap<>(labels));
    }

    /** A document of plain text. */
    public CorpusDocument(String id, String origin, String text) {
        this(id, origin, Optional.empty(), text, Map.of());
    }

    /** The same with another text. */
    public CorpusDocument withText(String other) {
        return new CorpusDocument(id, origin, url, other, labels);
    }

    /** The same with a label added or replaced. */
    public CorpusDocument withLabel(String name, String value) {
        Map<String, String> more = new TreeMap<>(labels);
        more.put(name, value);
        return new CorpusDocument(id, origin, url, text, more);
    }

    /** A line of JSON without its end: {@code id}, {@code origin}, {@code url}, {@code text} and {@code labels}. */
    public String toJson() {
        return DocumentJson.write(this);
    }

    /**
     * What {@link #toJson} wrote.
     *
     * @throws IllegalArgumentException when the line is not such an object
     */
    public static CorpusDocument fromJson(String line) {
        return DocumentJson.read(line);
    }
}
