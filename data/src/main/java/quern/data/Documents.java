package quern.data;

import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import quern.data.internal.DocumentReader;
import quern.data.internal.ImageFolder;
import quern.data.internal.Rejections;
import quern.data.internal.SourceFiles;
import quern.data.internal.Utf8;
import quern.recipe.QuernException;

/**
 * The documents of a corpus as a stream in bounded memory: one piece of text at a time, long documents in pieces,
 * files in sorted order, compressed ones unpacked on the way. Every pass gives the same documents in the same order.
 * Text is UTF-8; invalid sequences become U+FFFD and are counted. Errors name the file and, where there are lines,
 * the line.
 */
public final class Documents implements Iterable<Document> {
    private final DataConfig config;
    private final List<Path> files;
    private final Optional<ChatTemplate> template;

    private final Optional<ImageFolder> images;

    private Documents(DataConfig config, List<Path> files, Optional<ChatTemplate> template) {
        this.images = config.imageFolder().map(folder -> ImageFolder.open(config));
        this.template = template;
        this.config = config;
        this.files = files;
    }

    /**
     * Finds the files that the configuration names.
     *
     * @throws QuernException for a path that is missing, empty, of an unknown kind, or matches nothing
     */
    public static Documents open(DataConfig config) {
        return open(config, config.chatTemplate().map(named -> ChatTemplate.named(named, Map.of())));
    }

    /**
     * As above.
     *
     * @param template what makes texts of conversations
     */
    public static Documents open(DataConfig config, Optional<ChatTemplate> template) {
        return new Documents(config, SourceFiles.resolve(config.path()), template);
    }

    /** The files in reading order; none for a generated corpus and for a folder of images. */
    public List<Path> files() {
        return files;
    }

    /** A pass over the documents; close it unless it is read to its end. */
    @Override
    public Cursor iterator() {
        return new Cursor();
    }

    /** The texts of all documents, long ones in pieces. */
    public Iterable<String> texts() {
        return () -> {
            Cursor cursor = iterator();
            return new Iterator<>() {
                @Override
                public boolean hasNext() {
                    return cursor.hasNext();
                }

                @Override
                public String next() {
                    return cursor.next().text();
                }
            };
        };
    }

    /** The documents of a built-in corpus, or captions of images; {@code null} when the text comes from files. */
    private static Iterator<Document> listed(DataConfig config, Optional<ImageFolder> images) {
        if (images.isPresent()) {
            return images.get().rows().stream()
                    .map(row -> new Document(row.origin(), row.line(), row.caption(), true, true))
                    .iterator();
        }
        Iterator<String> texts = switch (config.source().orElse("")) {
            case DataConfig.TALES -> new Tales(config.talesSeed()).iterator(Math.round(config.talesMegabytes() * 1e6));
            case DataConfig.SHAPES -> new Shapes(config.shapesSeed()).iterator(config.shapesPairs());
            case DataConfig.GRID_WORLD -> new GridWorld(config.gridSeed()).iterator(config.gridEpisodes());
            default -> null;
        };
        if (texts == null) {
            return null;
        }
        String name = config.source().orElseThrow();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return texts.hasNext();
            }

            @Override
            public Document next() {
                return new Document(name, 0, texts.next(), true, true);
            }
        };
    }

    /** One pass over the documents. It closes itself at its end. */
    public final class Cursor implements Iterator<Document>, AutoCloseable {
        private final Iterator<Path> remaining = files.iterator();
        private final Iterator<Document> listed = listed(config, images);
        private DocumentReader reader;
        private Document next;
        private boolean ended;
        private long documents;
        private long empty;
        private long characters;
        private long bytes;
        private long replaced;
        private final Rejections rejections = new Rejections();

        private Cursor() {
            images.ifPresent(folder -> rejections.addAll(folder.rejections()));
        }

        @Override
        public boolean hasNext() {
            if (next == null && !ended) {
                next = advance();
                if (next == null) {
                    ended = true;
                    if (documents == 0 && rejections.rows() > 0) {
                        throw QuernException.badInput(
                                "%s: no row of it can be learned from: %s",
                                files.size() == 1 ? files.getFirst() : files.size() + " files in data.path",
                                String.join("; ", rejections.lines()));
                    }
                    if (documents == 0) {
                        throw QuernException.badInput(
                                "%s: no text in it (%d empty documents); expected at least one document with text",
                                files.size() == 1 ? files.getFirst() : files.size() + " files in data.path", empty);
                    }
                }
            }
            return next != null;
        }

        @Override
        public Document next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Document document = next;
            next = null;
            return document;
        }

        private Document advance() {
            Document document = listed != null ? nextListed() : nextFromFiles();
            if (document != null) {
                if (document.last()) {
                    documents++;
                }
                characters += document.text().codePointCount(0, document.text().length());
                bytes += Utf8.length(document.text());
            }
            return document;
        }

        private Document nextListed() {
            return listed.hasNext() ? listed.next() : null;
        }

        private Document nextFromFiles() {
            while (true) {
                if (reader == null) {
                    if (!remaining.hasNext()) {
                        return null;
                    }
                    reader = DocumentReader.open(remaining.next(), config, template);
                }
                Document document = reader.next();
                if (document != null) {
                    return document;
                }
                close();
            }
        }

        /** What this pass met so far; complete once there is no next document. */
        public DocumentReport report() {
            Rejections all = new Rejections();
            all.addAll(rejections);
            if (reader != null) {
                all.addAll(reader.rejections());
            }
            return new DocumentReport(
                    documents,
                    empty + (reader == null ? 0 : reader.empty()),
                    characters,
                    bytes,
                    replaced + (reader == null ? 0 : reader.invalid()),
                    all.rows(),
                    all.lines());
        }

        @Override
        public void close() {
            if (reader != null) {
                empty += reader.empty();
                replaced += reader.invalid();
                rejections.addAll(reader.rejections());
                reader.close();
                reader = null;
            }
        }
    }
}
