package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import quern.data.TokenStream;
import quern.recipe.QuernException;

/** Several streams one behind another. */
public final class JoinedTokenStream implements TokenStream {
    private final List<TokenStream> parts;
    /** Tokens before each part, and of all. */
    private final long[] tokens;
    /** Documents before each part, and of all. */
    private final long[] documents;

    /** Joins streams that are all of texts or all of prompts and answers. */
    public JoinedTokenStream(List<TokenStream> parts) {
        this.parts = List.copyOf(parts);
        this.tokens = new long[parts.size() + 1];
        this.documents = new long[parts.size() + 1];
        for (int i = 0; i < parts.size(); i++) {
            TokenStream part = parts.get(i);
            if (part.hasPrompts() != parts.getFirst().hasPrompts()) {
                throw QuernException.badInput(
                        "data.sources: %s and %s are not of one kind, since one holds texts and one instruction rows; name corpora of one kind",
                        parts.getFirst().origin(), part.origin());
            }
            tokens[i + 1] = tokens[i] + part.size();
            documents[i + 1] = documents[i] + part.documents();
        }
    }

    @Override
    public long size() {
        return tokens[parts.size()];
    }

    @Override
    public void read(long from, int[] into, int offset, int length) {
        Objects.checkFromIndexSize(from, length, size());
        int done = 0;
        for (int i = 0; i < parts.size() && done < length; i++) {
            long at = from + done - tokens[i];
            long left = parts.get(i).size() - at;
            if (left > 0) {
                int count = (int) Math.min(left, length - done);
                parts.get(i).read(at, into, offset + done, count);
                done += count;
            }
        }
    }

    @Override
    public long documents() {
        return documents[parts.size()];
    }

    private int part(long document) {
        Objects.checkIndex(document, documents());
        int part = 0;
        while (document >= documents[part + 1]) {
            part++;
        }
        return part;
    }

    @Override
    public long documentStart(long index) {
        if (index == documents()) {
            return size();
        }
        int part = part(index);
        return tokens[part] + parts.get(part).documentStart(index - documents[part]);
    }

    @Override
    public boolean hasPrompts() {
        return parts.getFirst().hasPrompts();
    }

    @Override
    public long answerStart(long index) {
        int part = part(index);
        return tokens[part] + parts.get(part).answerStart(index - documents[part]);
    }

    @Override
    public long[] learned(long index) {
        int part = part(index);
        return Arrays.stream(parts.get(part).learned(index - documents[part]))
                .map(place -> tokens[part] + place)
                .toArray();
    }

    @Override
    public String describe(long index) {
        int part = part(index);
        return parts.get(part).describe(index - documents[part]);
    }

    @Override
    public long textBytes() {
        return parts.stream().mapToLong(TokenStream::textBytes).sum();
    }

    @Override
    public int vocabularySize() {
        return parts.stream().mapToInt(TokenStream::vocabularySize).max().orElse(0);
    }

    @Override
    public String origin() {
        return parts.stream().map(TokenStream::origin).collect(Collectors.joining(", "));
    }
}
