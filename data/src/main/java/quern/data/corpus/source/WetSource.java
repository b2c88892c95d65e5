package quern.data.corpus.source;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.TextDecoder;
import quern.data.corpus.internal.WarcRecords;

/** WET files of a crawl: WARC files whose records are pages turned to text already. */
public final class WetSource implements CorpusReader {
    /** It has no settings. */
    public record Config() {}

    @Override
    public String id() {
        return "wet";
    }

    @Override
    public String summary() {
        return "WET files of a crawl: pages that were turned to text";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".wet");
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        return new WarcRecords(
                file, "conversion", quarantine, (id, url, content) -> new Conversion(file.origin(), id, url, content));
    }

    private record Conversion(String origin, String id, Optional<String> url, byte[] content) implements Raw {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public List<CorpusDocument> documents(Quarantine quarantine) {
            String text =
                    TextDecoder.decode(content, Optional.empty(), quarantine).strip();
            return List.of(new CorpusDocument(id, origin, url, text, Map.of()));
        }
    }
}
