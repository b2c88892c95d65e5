package quern.data;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import quern.data.internal.DocumentEnd;
import quern.data.internal.DocumentRows;
import quern.data.internal.EpochBatches;
import quern.data.internal.Mix;
import quern.data.internal.PackedWindows;
import quern.data.internal.RemadeTokens;
import quern.data.internal.WholeDocuments;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * Fill-in-the-middle (Bavarian et al. 2022, arXiv:2207.14255): a share of the documents, {@code fim_rate}, is cut in three at two
 * random places and put together again with the middle last, between sentinel tokens, so that a decoder learns to write a text
 * into a place. All tokens are predicted, as by {@link CausalLm}. With P, S and M the three sentinels a document becomes
 *
 * <ul>
 *   <li>{@code P prefix S suffix M middle} (PSM), or
 *   <li>in a share of those, {@code fim_spm_rate}, {@code P S suffix M prefix middle} (SPM as the paper trains it, its SPMv2), or
 *       with {@code spm_version: 1} {@code S suffix P prefix M middle} (its SPMv1),
 * </ul>
 *
 * each part by its own tokens (appendix D), the end of the document as it was. The cuts are uniform over the places between
 * characters (section 4.4's character level) and are drawn anew in every epoch, per document, before documents are joined (section
 * 4.3's document level). With {@code packing} rows are windows over the joined documents, otherwise a row is a document.
 *
 * <p>The text of an epoch is made as a whole when it begins. Without {@code packing} it is the documents of an epoch, sentinels
 * included, whose ends are cut off, or that are left out, where they are longer than a row.
 */
public final class FillInTheMiddle implements Objective {
    /** Between what a text may be cut. */
    public enum Split {
        /** Between any two characters. */
        CHARACTER,
        /** Between any two of the tokens that the whole document has. */
        TOKEN
    }

    /**
     * @param fimRate the share of documents that are put together anew
     * @param fimSpmRate the share of those that have the suffix first
     * @param spmVersion how they have it
     * @param split between what a text is cut
     * @param prefixToken the sentinel before the prefix
     * @param middleToken the sentinel before the middle
     * @param suffixToken the sentinel before the suffix
     */
    public record Config(
            @Doc("The share of documents whose middle is put last.") @Default("0.5") @Range(min = 0, max = 1)
            double fimRate,

            @Doc("The share of those that have the suffix first (SPM), the others the prefix (PSM).")
            @Default("0.5")
            @Range(min = 0, max = 1)
            double fimSpmRate,

            @Doc(
                    "What SPM is: 2 is prefix token, suffix token, suffix, middle token, prefix and middle; 1 has each part behind its token.")
            @Default("2")
            @Range(min = 1, max = 2)
            int spmVersion,

            @Doc("Between what a document is cut: character or token.") @Default("character")
            Split split,

            @Doc("The token before the prefix.") @Default("<fim_prefix>")
            String prefixToken,

            @Doc("The token before the middle.") @Default("<fim_middle>")
            String middleToken,

            @Doc("The token before the suffix.") @Default("<fim_suffix>")
            String suffixToken) {
        /** Refuses sentinels that are one. */
        public Config {
            if (Stream.of(prefixToken, middleToken, suffixToken).distinct().count() < 3) {
                throw new IllegalArgumentException(
                        "prefix_token: %s, %s and %s are the three sentinels; give each a name of its own"
                                .formatted(prefixToken, middleToken, suffixToken));
            }
        }
    }

    /** The ids of the sentinels. */
    record Sentinels(int prefix, int middle, int suffix) {}

    /** The names of the sentinels in the order of {@link Config}. */
    private record Names(String prefix, String middle, String suffix) {
        boolean in(Tokenizer tokenizer) {
            return tokenizer.has(prefix) && tokenizer.has(middle) && tokenizer.has(suffix);
        }

        Sentinels of(Tokenizer tokenizer) {
            return new Sentinels(tokenizer.id(prefix), tokenizer.id(middle), tokenizer.id(suffix));
        }
    }

    /** How published models call them. */
    private static final List<Names> KNOWN = List.of(
            new Names("<fim_prefix>", "<fim_middle>", "<fim_suffix>"),
            new Names("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
            new Names("<fim-prefix>", "<fim-middle>", "<fim-suffix>"));

    private static final long WHETHER = -1;
    private static final long SUFFIX_FIRST = -2;

    private final Names names;

    /** With the usual sentinels; {@link #configured} gives one with others. */
    public FillInTheMiddle() {
        this(KNOWN.getFirst());
    }

    private FillInTheMiddle(Names names) {
        this.names = names;
    }

    @Override
    public String id() {
        return "fim";
    }

    @Override
    public String summary() {
        return "predict the next token of texts whose middle is put last (fill in the middle)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Objective configured(Record config) {
        Config c = (Config) config;
        return new FillInTheMiddle(new Names(c.prefixToken(), c.middleToken(), c.suffixToken()));
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("<|endoftext|>", names.prefix, names.middle, names.suffix);
    }

    /**
     * The prompt to which a model trained so adds the middle of a text (PSM), by the tokens of that tokenizer.
     *
     * @throws QuernException for a tokenizer without sentinels of a known name
     */
    public static int[] prompt(Tokenizer tokenizer, String prefix, String suffix) {
        Sentinels ids = KNOWN.stream()
                .filter(known -> known.in(tokenizer))
                .findFirst()
                .orElseThrow(
                        () -> QuernException.badInput(
                                "--suffix: the tokenizer has no sentinel tokens of a known name (<fim_prefix>, <fim_middle>, <fim_suffix>); use a model trained by objective: fim, or spell its own sentinels in --prompt"))
                .of(tokenizer);
        return joined(
                ids.prefix, tokenizer.encode(prefix), ids.suffix, tokenizer.encode(suffix), ids.middle, new int[0]);
    }

    /** No error, since a document has another length in each epoch; and none is split, since a piece of one has no middle to fill. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return data.packing() ? Set.of() : EnumSet.of(OnTooLong.DROP, OnTooLong.TRUNCATE);
    }

    @Override
    public BatchSource source(Input input, Record config) {
        Config c = (Config) config;
        Names wanted = new Names(c.prefixToken(), c.middleToken(), c.suffixToken());
        if (!wanted.in(input.tokenizer())) {
            throw QuernException.badInput(
                    "objective: fim: the tokenizer lacks %s, %s or %s; name them under tokenizer.added_special_tokens, or train one without special_tokens of its own",
                    wanted.prefix, wanted.middle, wanted.suffix);
        }
        TokenStream tokens = input.tokens();
        if (tokens.size() > RemadeTokens.MOST) {
            throw QuernException.badInput(
                    "objective: fim: the text has %,d tokens, and at most %,d can be cut while training, since an epoch of them is held in memory; give less text",
                    tokens.size(), RemadeTokens.MOST);
        }
        if (c.split() == Split.CHARACTER) {
            checkJoins(input.tokenizer(), tokens);
        }
        Sentinels sentinels = wanted.of(input.tokenizer());
        BatchSource first = rows(input, remade(input, c, sentinels, 0));
        EpochBatches epochs = new EpochBatches(
                first.batchesPerEpoch(), epoch -> epoch == 0 ? first : rows(input, remade(input, c, sentinels, epoch)));
        return new Batches(epochs, first.notices(), first.tooLong());
    }

    /** The batches of all epochs with what there is to say of the first. */
    private record Batches(BatchSource epochs, List<String> notices, Optional<TooLong> tooLong) implements BatchSource {
        @Override
        public long batchesPerEpoch() {
            return epochs.batchesPerEpoch();
        }

        @Override
        public Batch batch(long globalBatchIndex) {
            return epochs.batch(globalBatchIndex);
        }
    }

    private static BatchSource rows(Input input, TokenStream tokens) {
        DataConfig data = input.data();
        OnTooLong answer = data.onTooLong() == OnTooLong.DROP ? OnTooLong.DROP : OnTooLong.TRUNCATE;
        return data.packing()
                ? new PackedWindows(tokens, data.maxLength(), input.rowsPerBatch(), input.seed())
                : new DocumentRows(
                        new WholeDocuments(tokens, data.maxLength(), answer), input.rowsPerBatch(), input.seed());
    }

    /** A tokenizer that reads a text in parts otherwise than as a whole would teach a middle that doesn't fit its place. */
    private static void checkJoins(Tokenizer tokenizer, TokenStream tokens) {
        int[] some = new int[(int) Math.min(64, tokens.documentStart(1))];
        tokens.read(0, some, 0, some.length);
        String text = tokenizer.decode(some);
        int half = text.offsetByCodePoints(0, text.codePointCount(0, text.length()) / 2);
        int[] parts = joined(tokenizer.encode(text.substring(0, half)), tokenizer.encode(text.substring(half)));
        if (!tokenizer.decode(parts).equals(tokenizer.decode(tokenizer.encode(text)))) {
            throw QuernException.badInput(
                    "objective: fim: the tokenizer (%s) puts something before every text that it reads, so also before each part of a document; set split: token, or use a byte-level one",
                    tokenizer.modelType());
        }
    }

    private static TokenStream remade(Input input, Config config, Sentinels sentinels, long epoch) {
        DocumentEnd end = DocumentEnd.of(input);
        RemadeTokens all = new RemadeTokens(input.tokens());
        for (long i = 0; i < input.tokens().documents(); i++) {
            int[] document = RemadeTokens.document(input.tokens(), i);
            int[] bare = end.bare(document);
            int[] tail = Arrays.copyOfRange(document, bare.length, document.length);
            long key = Mix.hash(Mix.hash(input.seed(), ~epoch), i);
            all.add(remade(bare, key, config, sentinels, input.tokenizer()).orElse(bare), tail);
        }
        return all.stream();
    }

    /** A document with its middle last; empty where it stays as it is. A function of its arguments alone. */
    static Optional<int[]> remade(int[] document, long key, Config config, Sentinels ids, Tokenizer tokenizer) {
        if (document.length == 0 || Mix.unit(key, WHETHER) >= config.fimRate()) {
            return Optional.empty();
        }
        int[][] parts = switch (config.split()) {
            case CHARACTER -> characters(tokenizer.decode(document), key, tokenizer);
            case TOKEN -> {
                int[] cuts = cuts(document.length, key);
                yield new int[][] {
                    Arrays.copyOf(document, cuts[0]),
                    Arrays.copyOfRange(document, cuts[0], cuts[1]),
                    Arrays.copyOfRange(document, cuts[1], document.length)
                };
            }
        };
        int[] prefix = parts[0];
        int[] middle = parts[1];
        int[] suffix = parts[2];
        if (Mix.unit(key, SUFFIX_FIRST) >= config.fimSpmRate()) {
            return Optional.of(joined(ids.prefix, prefix, ids.suffix, suffix, ids.middle, middle));
        }
        return Optional.of(
                config.spmVersion() == 1
                        ? joined(ids.suffix, suffix, ids.prefix, prefix, ids.middle, middle)
                        : joined(ids.prefix, new int[0], ids.suffix, suffix, ids.middle, joined(prefix, middle)));
    }

    private static int[][] characters(String text, long key, Tokenizer tokenizer) {
        int[] cuts = cuts(text.codePointCount(0, text.length()), key);
        int from = text.offsetByCodePoints(0, cuts[0]);
        int to = text.offsetByCodePoints(from, cuts[1] - cuts[0]);
        return new int[][] {
            tokenizer.encode(text.substring(0, from)),
            tokenizer.encode(text.substring(from, to)),
            tokenizer.encode(text.substring(to))
        };
    }

    /** Two places from 0 to {@code length}, in order, each uniform before they are ordered. */
    private static int[] cuts(int length, long key) {
        int one = (int) Mix.below(key, 0, length + 1L);
        int other = (int) Mix.below(key, 1, length + 1L);
        return new int[] {Math.min(one, other), Math.max(one, other)};
    }

    private static int[] joined(int first, int[] a, int second, int[] b, int third, int[] c) {
        return joined(new int[] {first}, a, new int[] {second}, b, new int[] {third}, c);
    }

    private static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }
}
