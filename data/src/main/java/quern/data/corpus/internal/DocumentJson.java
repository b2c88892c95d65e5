package quern.data.corpus.internal;

import java.io.StringWriter;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import quern.data.corpus.CorpusDocument;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;

/** Documents as lines of JSON, the same bytes for the same document. */
public final class DocumentJson {
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(Integer.MAX_VALUE)
                    .build())
            .build();

    private DocumentJson() {}

    /** A line without its end. */
    public static String write(CorpusDocument document) {
        StringWriter out = new StringWriter(document.text().length() + 128);
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
            json.writeStartObject();
            json.writeStringProperty("id", document.id());
            json.writeStringProperty("origin", document.origin());
            document.url().ifPresent(url -> json.writeStringProperty("url", url));
            json.writeStringProperty("text", document.text());
            if (!document.labels().isEmpty()) {
                json.writeName("labels");
                json.writeStartObject();
                document.labels().forEach(json::writeStringProperty);
                json.writeEndObject();
            }
            json.writeEndObject();
        }
        return out.toString();
    }

    /** A document from its line. */
    public static CorpusDocument read(String line) {
        try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), line)) {
            String id = null;
            String origin = null;
            String url = null;
            String text = null;
            Map<String, String> labels = new TreeMap<>();
            expect(json.nextToken(), JsonToken.START_OBJECT);
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                String key = json.currentName();
                JsonToken value = json.nextToken();
                switch (key) {
                    case "id" -> id = string(json, value);
                    case "origin" -> origin = string(json, value);
                    case "url" -> url = string(json, value);
                    case "text" -> text = string(json, value);
                    case "labels" -> {
                        expect(value, JsonToken.START_OBJECT);
                        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                            String name = json.currentName();
                            labels.put(name, string(json, json.nextToken()));
                        }
                    }
                    default -> throw new IllegalArgumentException("a document has no key '" + key + "'");
                }
            }
            if (id == null || origin == null || text == null) {
                throw new IllegalArgumentException("a document has id, origin and text");
            }
            return new CorpusDocument(id, origin, Optional.ofNullable(url), text, labels);
        } catch (JacksonException e) {
            throw new IllegalArgumentException("not a document: " + e.getOriginalMessage(), e);
        }
    }

    private static String string(JsonParser json, JsonToken value) {
        expect(value, JsonToken.VALUE_STRING);
        return json.getString();
    }

    private static void expect(JsonToken found, JsonToken expected) {
        if (found != expected) {
            throw new IllegalArgumentException("expected " + expected + ", found " + found);
        }
    }
}
