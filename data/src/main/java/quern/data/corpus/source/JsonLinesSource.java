package quern.data.corpus.source;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.LineRecords;
import quern.data.corpus.internal.TextDecoder;
import quern.data.internal.Utf8;
import quern.recipe.Default;
import quern.recipe.Doc;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;

/** JSON Lines: an object a line, the text under one of its keys. */
public final class JsonLinesSource implements CorpusReader {
    private static final int MOST_DEPTH = 200;
    private static final int SHOWN_KEYS = 12;
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxNestingDepth(MOST_DEPTH)
                    .build())
            .build();

    /**
     * @param field the key of the text
     * @param urlField the key of the page's address
     * @param labels keys whose texts, numbers and booleans become labels
     */
    public record Config(
            @Doc("The key of the text.") @Default("text") String field,

            @Doc("The key of the page's address.") Optional<String> urlField,

            @Doc("Keys whose texts, numbers and booleans become labels.") @Default("[]")
            List<String> labels) {
        /** Refuses an empty key. */
        public Config {
            labels = List.copyOf(labels);
            if (field.isEmpty()) {
                throw new IllegalArgumentException("field: empty; name the key of the text");
            }
        }
    }

    @Override
    public String id() {
        return "jsonl";
    }

    @Override
    public String summary() {
        return "JSON Lines: an object a line, the text under one key";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".jsonl", ".ndjson");
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        LineRecords lines = new LineRecords(file, quarantine);
        return new Records() {
            @Override
            public Raw next() {
                while (true) {
                    byte[] line = lines.next();
                    if (line == null) {
                        return null;
                    }
                    if (line.length > 0) {
                        return new Row(file.origin(), lines.line(), line, (Config) config);
                    }
                }
            }

            @Override
            public void close() {
                lines.close();
            }
        };
    }

    private record Row(String origin, long line, byte[] content, Config config) implements Raw {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public List<CorpusDocument> documents(Quarantine quarantine) {
            String row = TextDecoder.decode(content, Optional.empty(), quarantine);
            if (row.isBlank()) {
                return List.of();
            }
            String place = origin + ":" + line;
            try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), row)) {
                return read(json, place, quarantine);
            } catch (StreamConstraintsException e) {
                quarantine.add(place, "too_deep", "JSON nested deeper than %d".formatted(MOST_DEPTH));
            } catch (JacksonException e) {
                quarantine.add(place, "invalid_json", firstLine(e.getOriginalMessage()));
            }
            return List.of();
        }

        private List<CorpusDocument> read(JsonParser json, String place, Quarantine quarantine) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                quarantine.add(place, "invalid_json", "expected an object");
                return List.of();
            }
            String text = null;
            boolean wrongType = false;
            Optional<String> url = Optional.empty();
            Map<String, String> labels = new TreeMap<>();
            List<String> keys = new ArrayList<>();
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                String key = json.currentName();
                JsonToken value = json.nextToken();
                if (keys.size() < SHOWN_KEYS) {
                    keys.add(key);
                }
                if (key.equals(config.field())) {
                    wrongType = value != JsonToken.VALUE_STRING;
                    text = wrongType ? null : json.getString();
                } else if (config.urlField().filter(key::equals).isPresent() && value == JsonToken.VALUE_STRING) {
                    url = Optional.of(json.getString());
                } else if (config.labels().contains(key) && value.isScalarValue() && value != JsonToken.VALUE_NULL) {
                    labels.put(key, json.getString());
                }
                json.skipChildren();
            }
            if (json.nextToken() != null) {
                quarantine.add(place, "invalid_json", "more than one value in the line");
            } else if (wrongType) {
                quarantine.add(place, "wrong_type", "'%s' holds no text".formatted(config.field()));
            } else if (text == null) {
                quarantine.add(
                        place,
                        "missing_field",
                        "no key '%s'; found %s; set field in this source"
                                .formatted(config.field(), String.join(", ", keys)));
            } else {
                if (Utf8.countLoneSurrogates(text) > 0) {
                    quarantine.count("replaced_sequences", Utf8.countLoneSurrogates(text));
                    text = Utf8.replaceLoneSurrogates(text);
                }
                return List.of(new CorpusDocument(origin + "#" + line, origin, url, text, labels));
            }
            return List.of();
        }

        private static String firstLine(String message) {
            String first = String.valueOf(message).lines().findFirst().orElse("");
            return first.length() > 160 ? first.substring(0, 160) + "…" : first;
        }
    }
}
