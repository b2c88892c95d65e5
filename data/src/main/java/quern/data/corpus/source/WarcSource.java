package quern.data.corpus.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.netpreserve.jwarc.HttpResponse;
import org.netpreserve.jwarc.LengthedBody;
import org.netpreserve.jwarc.MediaType;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.PageText;
import quern.data.corpus.internal.TextDecoder;
import quern.data.corpus.internal.WarcRecords;
import quern.recipe.Default;
import quern.recipe.Doc;

/**
 * WARC files of a crawl (ISO 28500): each successful response of HTML or plain text is a document. The character set is
 * that of the HTTP header or of the page, unless the bytes say otherwise.
 */
public final class WarcSource implements CorpusReader {
    private static final int OK = 200;

    /** @param extract which text of a page counts */
    public record Config(
            @Doc("Which text of a page counts: readable (no boilerplate) or all.") @Default("readable")
            Extract extract) {}

    @Override
    public String id() {
        return "warc";
    }

    @Override
    public String summary() {
        return "WARC files of a crawl: the text of HTML and plain pages";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".warc");
    }

    @Override
    public int edition() {
        return 2;
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        boolean readable = ((Config) config).extract() == Extract.READABLE;
        return new WarcRecords(
                file,
                "response",
                quarantine,
                (id, url, content) -> new Response(file.origin(), id, url, content, readable, file.maxDocumentBytes()));
    }

    private record Response(String origin, String id, Optional<String> url, byte[] content, boolean readable, int limit)
            implements Raw {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public List<CorpusDocument> documents(Quarantine quarantine) {
            try {
                HttpResponse http = HttpResponse.parse(LengthedBody.create(
                        Channels.newChannel(InputStream.nullInputStream()), ByteBuffer.wrap(content), content.length));
                if (http.status() != OK) {
                    quarantine.count("other_status", 1);
                    return List.of();
                }
                MediaType type = http.contentType();
                String kind = (type.type() + "/" + type.subtype()).toLowerCase(Locale.ROOT);
                boolean html = kind.equals("text/html") || kind.equals("application/xhtml+xml");
                if (!html && !kind.equals("text/plain")) {
                    quarantine.count("other_media_type", 1);
                    return List.of();
                }
                byte[] body = http.bodyDecoded().stream().readNBytes(limit + 1);
                if (body.length > limit) {
                    quarantine.add(id, "too_large", "a body that expands to more than %,d bytes".formatted(limit));
                    return List.of();
                }
                Optional<String> charset = Optional.ofNullable(type.parameters().get("charset"));
                return text(html, body, charset, quarantine).stream()
                        .map(text -> new CorpusDocument(id, origin, url, text, Map.of()))
                        .toList();
            } catch (IOException | IllegalArgumentException e) {
                quarantine.add(id, "invalid_http", String.valueOf(e.getMessage()));
                return List.of();
            }
        }

        private Optional<String> text(boolean html, byte[] body, Optional<String> charset, Quarantine quarantine) {
            if (html) {
                return PageText.of(id, body, charset, readable, quarantine);
            }
            String text = TextDecoder.decode(body, charset, quarantine);
            return TextDecoder.isBinary(id, text, quarantine) ? Optional.empty() : Optional.of(text);
        }
    }
}
