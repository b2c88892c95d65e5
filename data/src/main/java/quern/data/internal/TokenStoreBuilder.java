package quern.data.internal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import quern.data.DataConfig;
import quern.data.Document;
import quern.data.DocumentReport;
import quern.data.Documents;
import quern.data.Tokenizer;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import tools.jackson.databind.node.ObjectNode;

/** Tokenizes a corpus into the files of a store. */
final class TokenStoreBuilder {
    /** Characters encoded at a time. */
    private static final int BATCH = 1 << 21;

    private static final long PROGRESS_NANOS = 2_000_000_000L;

    private final DataConfig config;
    private final Tokenizer tokenizer;
    private final Documents documents;
    private final Path folder;
    private final Consumer<String> progress;
    private final int width;
    private final long tokensPerShard;
    private final long documentsPerShard = ShardFile.capacity(Long.BYTES);
    private final int[] separator;

    private long documentCount;
    private long trainCharacters;
    private boolean prompts;
    /** Whether the documents are conversations. */
    private boolean turned;

    private Split split;

    /** Part of a document on its way into a split. */
    private record Piece(Part part, Document document) {
        String text() {
            return document.text();
        }
    }

    /** The files of one split as they grow. */
    private final class Part implements AutoCloseable {
        final String name;
        final ShardSequence.Writer tokens;
        final ShardSequence.Writer starts;
        final ShardSequence.Writer answers;
        /** From and to of every part to learn, and of each document the number of these before it. */
        final ShardSequence.Writer turns;

        final ShardSequence.Writer turnStarts;
        long textBytes;

        Part(String name) {
            this.name = name;
            this.tokens = new ShardSequence.Writer(folder, name + "-tokens", width, tokensPerShard);
            this.starts = new ShardSequence.Writer(folder, name + "-documents", Long.BYTES, documentsPerShard);
            this.answers =
                    prompts ? new ShardSequence.Writer(folder, name + "-answers", Long.BYTES, documentsPerShard) : null;
            this.turns =
                    turned ? new ShardSequence.Writer(folder, name + "-turns", Long.BYTES, documentsPerShard) : null;
            this.turnStarts = turned
                    ? new ShardSequence.Writer(folder, name + "-turn-starts", Long.BYTES, documentsPerShard)
                    : null;
        }

        /** A whole conversation. */
        void add(Piece piece, Tokenizer.Marked marked) throws IOException {
            long start = tokens.size();
            starts.add(start);
            int[] ranges = marked.ranges();
            answers.add(start + (ranges.length == 0 ? marked.ids().length : ranges[0]));
            turnStarts.add(turns.size());
            for (int border : ranges) {
                turns.add(start + border);
            }
            for (int id : marked.ids()) {
                tokens.add(id);
            }
            textBytes += Utf8.length(piece.text());
        }

        void add(Piece piece, int[] ids) throws IOException {
            Document document = piece.document();
            if (document.first()) {
                starts.add(tokens.size());
            }
            if (document.part() == Document.Part.ANSWER) {
                answers.add(tokens.size());
            }
            for (int id : ids) {
                tokens.add(id);
            }
            textBytes += Utf8.length(piece.text());
            if (document.last() && (documentCount > 1 || prompts)) {
                for (int id : separator) {
                    tokens.add(id);
                }
            }
        }

        ObjectNode finish() throws IOException {
            tokens.finish();
            starts.finish();
            if (prompts) {
                answers.finish();
            }
            if (turned) {
                turns.finish();
                turnStarts.finish();
            }
            return Json.object()
                    .put("tokens", tokens.size())
                    .put("documents", starts.size())
                    .put("text_bytes", textBytes)
                    .put("turns", turned ? turns.size() : 0);
        }

        @Override
        public void close() throws IOException {
            tokens.close();
            starts.close();
            if (prompts) {
                answers.close();
            }
            if (turned) {
                turns.close();
                turnStarts.close();
            }
        }
    }

    TokenStoreBuilder(
            DataConfig config, Tokenizer tokenizer, Documents documents, Path folder, Consumer<String> progress) {
        this.config = config;
        this.tokenizer = tokenizer;
        this.documents = documents;
        this.folder = folder;
        this.progress = progress;
        this.width = tokenizer.vocabularySize() <= 1 << Short.SIZE ? Short.BYTES : Integer.BYTES;
        this.tokensPerShard = ShardFile.capacity(width);
        this.separator = config.documentSeparator()
                .map(tokenizer::encode)
                .orElseGet(() -> tokenizer.endOfText().stream().toArray());
    }

    void build() throws IOException {
        planSplit();
        try (Part train = new Part("train");
                Part validation = new Part("validation")) {
            DocumentReport report = tokenize(train, validation);
            ObjectNode store = Json.object();
            store.put("format", TokenStoreFiles.FORMAT)
                    .put("tokenizer", tokenizer.fingerprint())
                    .put("vocabulary_size", tokenizer.vocabularySize())
                    .put("token_bytes", width)
                    .put("tokens_per_shard", tokensPerShard)
                    .put("documents_per_shard", documentsPerShard)
                    .put("prompts", prompts)
                    .put("conversations", turned);
            store.set("train", train.finish());
            store.set("validation", validation.finish());
            store.set(
                    "report",
                    Json.object()
                            .put("documents", report.documents())
                            .put("empty_documents", report.emptyDocuments())
                            .put("characters", report.characters())
                            .put("bytes", report.bytes())
                            .put("replaced_sequences", report.replacedSequences())
                            .put("rejected_rows", report.rejectedRows())
                            .set("rejections", Json.list(report.rejections())));
            DurableFiles.write(
                    folder.resolve(TokenStoreFiles.DESCRIPTION),
                    Json.write(store).getBytes(StandardCharsets.UTF_8));
        }
    }

    /** The split needs the number of documents, and for a single one its length, before the first token. */
    private void planSplit() {
        String text = null;
        String instructions = null;
        String conversations = null;
        try (Documents.Cursor pass = documents.iterator()) {
            while (pass.hasNext()) {
                Document document = pass.next();
                if (document.part() == Document.Part.TEXT) {
                    text = document.origin();
                } else if (document.part() == Document.Part.CONVERSATION) {
                    conversations = document.origin();
                } else {
                    instructions = document.origin();
                }
                if (text != null && instructions != null) {
                    throw QuernException.badInput(
                            "data.path: %s holds texts and %s instruction rows, which are not learned together; name files of one kind, or tell the kind of .jsonl files by data.format",
                            text, instructions);
                }
                if (conversations != null && (text != null || instructions != null)) {
                    throw QuernException.badInput(
                            "data.path: %s holds conversations and %s other rows, which are not learned together; name files of one kind, or tell it by data.format",
                            conversations, text != null ? text : instructions);
                }
            }
            documentCount = pass.report().documents();
            trainCharacters = (long) (pass.report().characters() * (1 - config.validationShare()));
        }
        prompts = instructions != null || conversations != null;
        turned = conversations != null;
        split = Split.of(config, documentCount, prompts);
        if (instructions != null && separator.length == 0) {
            throw QuernException.badInput(
                    "data.path: these are instruction rows, whose answers end in an end-of-text token, but the tokenizer has none; use tokenizer: bpe, or give data.document_separator");
        }
    }

    private DocumentReport tokenize(Part train, Part validation) throws IOException {
        List<Piece> batch = new ArrayList<>();
        int batchSize = 0;
        long index = 0;
        long characters = 0;
        long shown = System.nanoTime();
        try (Documents.Cursor pass = documents.iterator()) {
            while (pass.hasNext()) {
                Document document = pass.next();
                String text = document.text();
                if (split.single()) {
                    int length = text.codePointCount(0, text.length());
                    cutAtCharacter(document, characters, length, train, validation, batch);
                    characters += length;
                } else {
                    batch.add(new Piece(split.isHeldOut(index) ? validation : train, document));
                    index += document.last() ? 1 : 0;
                }
                batchSize += text.length();
                if (batchSize >= BATCH) {
                    encode(batch);
                    batchSize = 0;
                    if (System.nanoTime() - shown > PROGRESS_NANOS) {
                        shown = System.nanoTime();
                        progress.accept("tokenized %.1f MB of text"
                                .formatted(pass.report().bytes() / 1e6));
                    }
                }
            }
            encode(batch);
            DocumentReport report = pass.report();
            if (report.replacedSequences() > 0) {
                progress.accept(
                        "%,d invalid UTF-8 sequences were replaced by U+FFFD".formatted(report.replacedSequences()));
            }
            progress.accept("tokenized %.1f MB of text, %,d documents: %,d tokens train, %,d validate"
                    .formatted(
                            report.bytes() / 1e6, report.documents(), train.tokens.size(), validation.tokens.size()));
            return report;
        }
    }

    /** Divides the piece of a single document that starts at character {@code from} where the training part ends. */
    private void cutAtCharacter(Document piece, long from, int length, Part train, Part validation, List<Piece> batch) {
        String text = piece.text();
        long border = config.validationShare() == 0 ? Long.MAX_VALUE : trainCharacters;
        int left = Math.clamp(border - from, 0, length);
        int cut = text.offsetByCodePoints(0, left);
        if (cut > 0) {
            batch.add(new Piece(train, cut(piece, 0, cut, from == 0)));
        }
        if (cut < text.length()) {
            batch.add(new Piece(validation, cut(piece, cut, text.length(), from + left == border)));
        }
    }

    private static Document cut(Document piece, int from, int to, boolean first) {
        return new Document(piece.origin(), piece.line(), piece.text().substring(from, to), first, false);
    }

    private void encode(List<Piece> batch) throws IOException {
        if (turned) {
            List<Tokenizer.Marked> marked = tokenizer.encodeMarked(
                    batch.stream().map(Piece::text).toList(),
                    batch.stream().map(piece -> piece.document().learned()).toList());
            for (int i = 0; i < marked.size(); i++) {
                batch.get(i).part().add(batch.get(i), marked.get(i));
            }
            batch.clear();
            return;
        }
        List<int[]> ids = tokenizer.encodeAll(batch.stream().map(Piece::text).toList());
        for (int i = 0; i < ids.size(); i++) {
            batch.get(i).part().add(batch.get(i), ids.get(i));
        }
        batch.clear();
    }
}
