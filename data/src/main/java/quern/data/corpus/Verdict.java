package quern.data.corpus;

import java.util.Map;
import java.util.Objects;

/** What becomes of a document. */
public sealed interface Verdict {
    /** It stays as it is. */
    Verdict KEEP = new Keep();

    /** It stays as it is. */
    record Keep() implements Verdict {}

    /**
     * It leaves the corpus.
     *
     * @param reason one of few, as it is counted: {@code too_short}
     * @param detail what was found, for the report's examples: {@code 3 words, fewer than 50}
     */
    record Drop(String reason, String detail) implements Verdict {
        /** Both are told. */
        public Drop {
            Objects.requireNonNull(reason);
            Objects.requireNonNull(detail);
        }
    }

    /**
     * Another document takes its place.
     *
     * @param document with the same id
     * @param changes how often what was changed, by name: {@code email} 2; may be empty where only a label was added
     */
    record Replace(CorpusDocument document, Map<String, Long> changes) implements Verdict {
        /** Takes a copy. */
        public Replace {
            Objects.requireNonNull(document);
            changes = Map.copyOf(changes);
        }
    }

    /** A drop. */
    static Verdict drop(String reason, String detail) {
        return new Drop(reason, detail);
    }
}
