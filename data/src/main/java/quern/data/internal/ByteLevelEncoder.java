package quern.data.internal;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;
import quern.data.internal.AddedTokens.Added;
import tools.jackson.databind.JsonNode;

/**
 * Encodes by byte-level BPE (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; Radford et al.
 * 2019) without the native library, whose binding computes the place of every token whether or not it is asked for. The ids are
 * those of the library. What a {@code tokenizer.json} may hold for this, is decided by {@link #unknownIn}; of a text that
 * would need more than this class does, {@link #encode} says so.
 */
public final class ByteLevelEncoder {
    /** What a text is where the library must encode it. */
    private static final int[] NOT_KNOWN = null;

    private final BytePairs merges;
    private final int[] byteIds = new int[256];
    /** Whole words that are tokens whatever the merges say; null where the model has no such rule. */
    private final Map<String, Integer> wholeWords;

    private final AddedTokens added;
    private final AddedTokens addedAfterNormalization;
    private final Split split;
    private final boolean prefixSpace;
    private final boolean normalizes;
    private final ConcurrentLinkedQueue<Worker> idle = new ConcurrentLinkedQueue<>();

    /** A pre-tokenizer's regular expression. */
    private interface Split {
        void split(CharSequence text, int from, int to, PreTokens.Sink sink);
    }

    /**
     * An encoder for a file of which nothing is {@linkplain #unknownIn unknown}.
     *
     * @param root a valid {@code tokenizer.json}
     */
    public ByteLevelEncoder(JsonNode root) {
        JsonNode model = root.path("model");
        Map<String, Integer> vocabulary = new HashMap<>();
        for (Map.Entry<String, JsonNode> entry : model.path("vocab").properties()) {
            vocabulary.put(entry.getKey(), entry.getValue().asInt());
        }
        for (int b = 0; b < byteIds.length; b++) {
            byteIds[b] = vocabulary.get(String.valueOf(ByteSymbols.symbol(b)));
        }
        this.wholeWords = model.path("ignore_merges").asBoolean(false) ? Map.copyOf(vocabulary) : null;
        this.merges = merges(model.path("merges"), vocabulary);
        this.added = new AddedTokens(root.path("added_tokens"), false);
        this.addedAfterNormalization = new AddedTokens(root.path("added_tokens"), true);
        JsonNode cut = root.path("pre_tokenizer");
        this.split = splitOf(cut);
        JsonNode last = cut.path("type").asString("").equals("Sequence")
                ? cut.path("pretokenizers").path(1)
                : cut;
        this.prefixSpace = last.path("add_prefix_space").asBoolean(true);
        this.normalizes = root.path("normalizer").isObject();
    }

    private static BytePairs merges(JsonNode merges, Map<String, Integer> vocabulary) {
        int[] left = new int[merges.size()];
        int[] right = new int[left.length];
        int[] whole = new int[left.length];
        int rank = 0;
        for (JsonNode merge : merges) {
            // Written as a pair, or in older files as a text with a space between.
            String first = merge.isArray() ? merge.path(0).asString() : before(merge.asString());
            String second = merge.isArray() ? merge.path(1).asString() : behind(merge.asString());
            left[rank] = vocabulary.get(first);
            right[rank] = vocabulary.get(second);
            whole[rank] = vocabulary.get(first + second);
            rank++;
        }
        return new BytePairs(left, right, whole);
    }

    private static String before(String merge) {
        return merge.substring(0, merge.indexOf(' '));
    }

    private static String behind(String merge) {
        return merge.substring(merge.indexOf(' ') + 1);
    }

    private static Split splitOf(JsonNode cut) {
        if (cut.path("type").asString("").equals("ByteLevel")) {
            return PreTokens::split;
        }
        String pattern = pattern(cut);
        return new TiktokenPreTokens(pattern.equals(TiktokenPreTokens.SINGLE_DIGITS) ? 1 : 3)::split;
    }

    private static String pattern(JsonNode sequence) {
        return sequence.path("pretokenizers")
                .path(0)
                .path("pattern")
                .path("Regex")
                .asString("");
    }

    /**
     * What of a {@code tokenizer.json} this class does not do, in a few words; the empty text where it does everything.
     *
     * @param root a valid file
     */
    public static String unknownIn(JsonNode root) {
        JsonNode model = root.path("model");
        String type = model.path("type").asString("BPE");
        if (!type.equals("BPE")) {
            return "model " + type;
        }
        for (String key : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            if (!model.path(key).asString("").isEmpty()) {
                return key;
            }
        }
        if (model.path("dropout").asDouble(0) != 0) {
            return "dropout";
        }
        JsonNode normalizer = root.path("normalizer");
        if (normalizer.isObject() && !normalizer.path("type").asString("").equals("NFC")) {
            return "normalizer " + normalizer.path("type").asString("");
        }
        for (int b = 0; b < 256; b++) {
            if (!model.path("vocab").has(String.valueOf(ByteSymbols.symbol(b)))) {
                return "a vocabulary without every byte";
            }
        }
        for (JsonNode token : root.path("added_tokens")) {
            if (normalizer.isObject() && !isNormal(token.path("content").asString(""))) {
                return "an added token that normalisation may change";
            }
        }
        return unknownCut(root.path("pre_tokenizer"));
    }

    private static String unknownCut(JsonNode cut) {
        String type = cut.path("type").asString("");
        if (type.equals("ByteLevel")) {
            return cut.path("use_regex").asBoolean(true) ? "" : "a pre-tokenizer without words";
        }
        JsonNode parts = cut.path("pretokenizers");
        if (!type.equals("Sequence") || parts.size() != 2) {
            return type.isEmpty() ? "no pre-tokenizer" : "pre-tokenizer " + type;
        }
        JsonNode first = parts.path(0);
        JsonNode second = parts.path(1);
        boolean known = first.path("type").asString("").equals("Split")
                && first.path("behavior").asString("").equals("Isolated")
                && !first.path("invert").asBoolean(false)
                && (pattern(cut).equals(TiktokenPreTokens.THREE_DIGITS)
                        || pattern(cut).equals(TiktokenPreTokens.SINGLE_DIGITS))
                && second.path("type").asString("").equals("ByteLevel")
                && !second.path("use_regex").asBoolean(true)
                && !second.path("add_prefix_space").asBoolean(true);
        return known ? "" : "pre-tokenizer " + type;
    }

    /** The ids of each text, on all cores; null for those that the library must encode. */
    public int[][] encodeAll(String[] texts) {
        int[][] ids = new int[texts.length][];
        IntStream.range(0, texts.length).parallel().forEach(i -> ids[i] = encode(texts[i]));
        return ids;
    }

    /** The ids of a text without lone surrogates, or null where the library must encode it. */
    public int[] encode(String text) {
        if (normalizes ? !isNormal(text) : !isAssigned(text)) {
            return NOT_KNOWN;
        }
        Worker worker = idle.poll();
        if (worker == null) {
            worker = new Worker();
        }
        try {
            return worker.encode(text);
        } finally {
            idle.add(worker);
        }
    }

    /**
     * Whether this Java knows what kind every character is; the library's tables may be of a later version of Unicode.
     */
    private static boolean isAssigned(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) >= 0x300) {
                int codePoint = text.codePointAt(i);
                if (Character.getType(codePoint) == Character.UNASSIGNED) {
                    return false;
                }
                i += Character.charCount(codePoint) - 1;
            }
        }
        return true;
    }

    /**
     * Whether a text consists of characters only that normal form C leaves as they are beside one another, by every version of
     * Unicode.
     */
    static boolean isNormal(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean normal = c < 0x300
                    || (c >= 0x400 && c <= 0x482)
                    || (c >= 0x48A && c <= 0x52F)
                    || (c >= 0x1E00 && c <= 0x1EFF)
                    || (c >= 0x2010 && c <= 0x2027)
                    || (c >= 0x2030 && c <= 0x205E)
                    || (c >= 0x3000 && c <= 0x3029)
                    || (c >= 0x3041 && c <= 0x3096)
                    || (c >= 0x309B && c <= 0x30FF)
                    || (c >= 0x4E00 && c <= 0x9FFF)
                    || (c >= 0xAC00 && c <= 0xD7A3)
                    || (c >= 0xFF01 && c <= 0xFF5E);
            if (!normal) {
                return false;
            }
        }
        return true;
    }

    /** One thread's words and room. */
    private final class Worker implements PreTokens.Sink {
        private final WordIds words = new WordIds();
        private final BytePairs.Merger merger = merges.new Merger();
        private int[] out = new int[256];
        private int size;

        int[] encode(String text) {
            size = 0;
            boolean known = cut(text, 0, text.length(), added);
            int[] ids = known ? Arrays.copyOf(out, size) : NOT_KNOWN;
            if (out.length > 1 << 20) {
                out = new int[256];
            }
            return ids;
        }

        /** Cuts a range at added tokens; false where one of them looks at what is around it. */
        private boolean cut(String text, int from, int to, AddedTokens tokens) {
            int begin = from;
            int at = tokens.isEmpty() ? to : from;
            while (at < to) {
                Added found = tokens.at(text, at, to);
                if (found == null) {
                    at++;
                } else if (!found.plain() || !between(text, begin, at, tokens)) {
                    return false;
                } else {
                    add(found.id());
                    at += found.content().length();
                    begin = at;
                }
            }
            return between(text, begin, to, tokens);
        }

        private boolean between(String text, int from, int to, AddedTokens tokens) {
            if (from == to) {
                return true;
            }
            if (tokens == added && !addedAfterNormalization.isEmpty()) {
                return cut(text, from, to, addedAfterNormalization);
            }
            if (prefixSpace && text.charAt(from) != ' ') {
                split.split(" " + text.substring(from, to), 0, to - from + 1, this);
            } else {
                split.split(text, from, to, this);
            }
            return true;
        }

        private void add(int id) {
            reserve(1);
            out[size++] = id;
        }

        private void reserve(int more) {
            if (size > out.length - more) {
                long larger = Math.max(2L * out.length, (long) size + more);
                out = Arrays.copyOf(out, (int) Math.min(larger, Integer.MAX_VALUE - 16));
            }
        }

        @Override
        public void accept(CharSequence text, int from, int to) {
            if (to - from > WordIds.LONGEST) {
                int count = merged(text, from, to);
                reserve(count);
                System.arraycopy(merger.room(count), 0, out, size, count);
                size += count;
                return;
            }
            int word = words.find(text, from, to);
            if (word < 0) {
                int count = merged(text, from, to);
                int[] ids = merger.room(count);
                words.put(text, from, to, ids, count);
                reserve(count);
                System.arraycopy(ids, 0, out, size, count);
                size += count;
                return;
            }
            int start = words.start(word);
            int end = words.end(word);
            reserve(end - start);
            int[] ids = words.ids();
            while (start < end) {
                out[size++] = ids[start++];
            }
        }

        /** Leaves a word's ids in the merger's room and says how many they are. */
        private int merged(CharSequence text, int from, int to) {
            byte[] bytes = text.subSequence(from, to).toString().getBytes(StandardCharsets.UTF_8);
            int[] tokens = merger.room(bytes.length);
            if (wholeWords != null) {
                char[] symbols = new char[bytes.length];
                for (int i = 0; i < bytes.length; i++) {
                    symbols[i] = ByteSymbols.symbol(bytes[i] & 0xff);
                }
                Integer whole = wholeWords.get(new String(symbols));
                if (whole != null) {
                    tokens[0] = whole;
                    return 1;
                }
            }
            for (int i = 0; i < bytes.length; i++) {
                tokens[i] = byteIds[bytes[i] & 0xff];
            }
            return merger.merge(bytes.length);
        }
    }
}
