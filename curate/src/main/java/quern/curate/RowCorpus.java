package quern.curate;

import quern.data.Tokenizer;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;

/** The rows of a training as documents that core sets choose from. */
final class RowCorpus implements Deduplication.Corpus {
    private final TextRows rows;
    private final Tokenizer tokenizer;

    RowCorpus(TextRows rows, Tokenizer tokenizer) {
        this.rows = rows;
        this.tokenizer = tokenizer;
    }

    @Override
    public long count() {
        return rows.count();
    }

    @Override
    public Cursor open() {
        return new Cursor() {
            private long next;

            @Override
            public CorpusDocument next() {
                if (next == rows.count()) {
                    return null;
                }
                long index = next++;
                return new CorpusDocument("row " + index, "the text", rows.text(index, tokenizer));
            }

            @Override
            public void close() {
                // Nothing is open.
            }
        };
    }
}
