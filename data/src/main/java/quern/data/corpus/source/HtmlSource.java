package quern.data.corpus.source;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.PageText;
import quern.recipe.Default;
import quern.recipe.Doc;

/** HTML files, a page each: its text without markup and, unless asked otherwise, without boilerplate. */
public final class HtmlSource implements CorpusReader {
    /** @param extract which text of a page counts */
    public record Config(
            @Doc("Which text of a page counts: readable (no boilerplate) or all.") @Default("readable")
            Extract extract) {}

    @Override
    public String id() {
        return "html";
    }

    @Override
    public String summary() {
        return "HTML pages: their text without markup and boilerplate";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".html", ".htm", ".xhtml");
    }

    @Override
    public int edition() {
        return 2;
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        boolean readable = ((Config) config).extract() == Extract.READABLE;
        return new Records() {
            private boolean read;

            @Override
            public Raw next() {
                if (read) {
                    return null;
                }
                read = true;
                return TextSource.content(file, quarantine)
                        .map(page -> new Page(file.origin(), page, readable))
                        .orElse(null);
            }

            @Override
            public void close() {}
        };
    }

    private record Page(String origin, byte[] content, boolean readable) implements Raw {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public List<CorpusDocument> documents(Quarantine quarantine) {
            return PageText.of(origin, content, Optional.empty(), readable, quarantine).stream()
                    .map(text -> new CorpusDocument(origin, origin, text))
                    .toList();
        }
    }
}
