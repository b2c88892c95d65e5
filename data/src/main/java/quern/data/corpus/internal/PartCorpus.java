package quern.data.corpus.internal;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.List;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.StageReport;

/** The output of a stage as a corpus. */
final class PartCorpus implements Deduplication.Corpus {
    private final List<Path> parts;
    private final long count;

    PartCorpus(List<Path> parts, StageReport made) {
        this.parts = parts;
        this.count = made.documentsOut();
    }

    @Override
    public long count() {
        return count;
    }

    @Override
    public Cursor open() {
        return new Cursor() {
            private final ArrayDeque<CorpusDocument> ready = new ArrayDeque<>();
            private PartFile.Reader reader;
            private int part;

            @Override
            public CorpusDocument next() {
                while (ready.isEmpty()) {
                    if (reader == null) {
                        if (part == parts.size()) {
                            return null;
                        }
                        reader = new PartFile.Reader(parts.get(part));
                    }
                    PartFile.Frame frame = reader.next();
                    if (frame == null) {
                        close();
                        part++;
                    } else {
                        ready.addAll(PartFile.unpack(parts.get(part), frame));
                    }
                }
                return ready.poll();
            }

            @Override
            public void close() {
                if (reader != null) {
                    reader.close();
                    reader = null;
                }
            }
        };
    }
}
