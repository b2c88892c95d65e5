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
import quern.data.Permutation;
import quern.data.Tokenizer;
import quern.recipe.DurableFiles;
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
    private Permutation order;
    private long heldOut;

    /** Part of a document on its way into a split. */
    private record Piece(Split split, String text, boolean first, boolean last) {}

    /** The files of one split as they grow. */
    private final class Split implements AutoCloseable {
        final String name;
        final ShardSequence.Writer tokens;
        final ShardSequence.Writer starts;
        long textBytes;

        Split(String name) {
            this.name = name;
            this.tokens = new ShardSequence.Writer(folder, name + "-tokens", width, tokensPerShard);
            this.starts = new ShardSequence.Writer(folder, name + "-documents", Long.BYTES, documentsPerShard);
        }

        void add(Piece piece, int[] ids) throws IOException {
            if (piece.first()) {
                starts.add(tokens.size());
            }
            for (int id : ids) {
                tokens.add(id);
            }
            textBytes += Utf8.length(piece.text());
            if (piece.last() && documentCount > 1) {
                for (int id : separator) {
                    tokens.add(id);
                }
            }
        }

        ObjectNode finish() throws IOException {
            tokens.finish();
            starts.finish();
            return Json.object()
                    .put("tokens", tokens.size())
                    .put("documents", starts.size())
                    .put("text_bytes", textBytes);
        }

        @Override
        public void close() throws IOException {
            tokens.close();
            starts.close();
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
        try (Split train = new Split("train");
                Split validation = new Split("validation")) {
            DocumentReport report = tokenize(train, validation);
            ObjectNode store = Json.object();
            store.put("format", TokenStoreFiles.FORMAT)
                    .put("tokenizer", tokenizer.fingerprint())
                    .put("vocabulary_size", tokenizer.vocabularySize())
                    .put("token_bytes", width)
                    .put("tokens_per_shard", tokensPerShard)
                    .put("documents_per_shard", documentsPerShard);
            store.set("train", train.finish());
            store.set("validation", validation.finish());
            store.set(
                    "report",
                    Json.object()
                            .put("documents", report.documents())
                            .put("empty_documents", report.emptyDocuments())
                            .put("characters", report.characters())
                            .put("bytes", report.bytes())
                            .put("replaced_sequences", report.replacedSequences()));
            DurableFiles.write(
                    folder.resolve(TokenStoreFiles.DESCRIPTION),
                    Json.write(store).getBytes(StandardCharsets.UTF_8));
        }
    }

    /** The split needs the number of documents, and for a single one its length, before the first token. */
    private void planSplit() {
        Documents.Cursor pass = documents.iterator();
        pass.forEachRemaining(document -> {});
        documentCount = pass.report().documents();
        trainCharacters = (long) (pass.report().characters() * (1 - config.validationShare()));
        order = new Permutation(documentCount, config.validationSeed());
        heldOut = config.validationShare() == 0
                ? 0
                : Math.clamp(Math.round(documentCount * config.validationShare()), 1, Math.max(1, documentCount - 1));
    }

    private DocumentReport tokenize(Split train, Split validation) throws IOException {
        List<Piece> batch = new ArrayList<>();
        int batchSize = 0;
        long index = 0;
        long characters = 0;
        long shown = System.nanoTime();
        try (Documents.Cursor pass = documents.iterator()) {
            while (pass.hasNext()) {
                Document document = pass.next();
                String text = document.text();
                if (documentCount == 1) {
                    int length = text.codePointCount(0, text.length());
                    cutAtCharacter(document, characters, length, train, validation, batch);
                    characters += length;
                } else {
                    boolean out = order.at(index) < heldOut;
                    batch.add(new Piece(out ? validation : train, text, document.first(), document.last()));
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
    private void cutAtCharacter(
            Document piece, long from, int length, Split train, Split validation, List<Piece> batch) {
        String text = piece.text();
        long border = config.validationShare() == 0 ? Long.MAX_VALUE : trainCharacters;
        int left = Math.clamp(border - from, 0, length);
        int cut = text.offsetByCodePoints(0, left);
        if (cut > 0) {
            batch.add(new Piece(train, text.substring(0, cut), from == 0, false));
        }
        if (cut < text.length()) {
            batch.add(new Piece(validation, text.substring(cut), from + left == border, false));
        }
    }

    private void encode(List<Piece> batch) throws IOException {
        List<int[]> ids = tokenizer.encodeAll(batch.stream().map(Piece::text).toList());
        for (int i = 0; i < ids.size(); i++) {
            batch.get(i).split().add(batch.get(i), ids.get(i));
        }
        batch.clear();
    }
}
