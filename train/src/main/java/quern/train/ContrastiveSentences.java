package quern.train;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.FittingDocuments;
import quern.data.OnTooLong;
import quern.data.PairedTexts;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.data.TooLong;
import quern.nn.Flow;
import quern.nn.InBatchLoss;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Tensor;

/**
 * Contrastive learning of texts' vectors (SimCSE, Gao et al. 2021, arXiv:2104.08821): with h and h⁺ the vectors of two texts that
 * belong together, a batch of N pairs costs {@code -log(exp(cos(h_i, h_i⁺) / τ) / Σ_j exp(cos(h_i, h_j⁺) / τ))}, equation 1, on
 * average. Unless {@code pair_field} names the second text, both are the same text, read twice in one batch, each time with
 * another dropout (section 3). What is trained is a model's body, saved without a head.
 *
 * <p>A row is a document. The batch is all of a step's, so accumulation adds negatives ({@link GradientCache}).
 *
 * <p>Deviation: the paper's layer on top of the first token is BERT's pooler, which is not read here; no hard negatives.
 */
public final class ContrastiveSentences implements TrainedObjective {
    /** Which hidden states make the vector of a text. */
    public enum Pooling {
        /** That of the first token. */
        FIRST,
        /** The mean of all that aren't padding. */
        MEAN,
        /** That of the last token that isn't padding: for models that read from left to right. */
        LAST
    }

    /**
     * @param pairField the key of the second text of a pair; absent: the text itself
     * @param pooling which hidden states make a text's vector
     * @param temperature τ
     */
    public record Config(
            @Doc(
                    "The key that holds the second text of a pair in each line of a .jsonl file; the text itself unless given.")
            Optional<String> pairField,

            @Doc("Which hidden states make a text's vector: first, mean or last.") @Default("mean")
            Pooling pooling,

            @Doc("What cosines are divided by.") @Default("0.05") @Range(min = 0, minExclusive = true)
            double temperature) {}

    @Override
    public String id() {
        return "contrastive";
    }

    @Override
    public String summary() {
        return "tell which two texts belong together, or a text from others by two dropouts (SimCSE)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "model";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("[PAD]", "[CLS]", "[SEP]");
    }

    /** No: each text is told from the others of its batch. */
    @Override
    public boolean dividesBatches() {
        return false;
    }

    /** Unless texts have a second one, a piece of a text is a text. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return ((Config) config).pairField().isPresent()
                ? EnumSet.complementOf(EnumSet.of(OnTooLong.SPLIT))
                : EnumSet.allOf(OnTooLong.class);
    }

    @Override
    public Added add(Place place) {
        Config config = (Config) place.config();
        return Added.behind(new Pooled(config.pooling()), new Head(config.temperature()));
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return new Pairs(input, (Config) config, false);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(new Pairs(input, (Config) config, true));
    }

    /** Rows 0 to N-1 are the texts, rows N to 2N-1 what belongs to each; a text's label is the row of its own. */
    private static final class Pairs implements BatchSource {
        private final Input input;
        private final TokenStream texts;
        private final TokenStream seconds;
        private final OptionalInt first;
        private final OptionalInt last;
        private final int padding;
        private final int room;
        private final FittingDocuments documents;

        Pairs(Input input, Config config, boolean validation) {
            this.input = input;
            this.texts = input.tokens();
            this.seconds = config.pairField()
                    .map(field -> PairedTexts.of(input, field, validation, "contrastive"))
                    .orElse(texts);
            Tokenizer tokenizer = input.tokenizer();
            boolean framed = tokenizer.special(SpecialToken.CLS_TOKEN).isPresent()
                    && tokenizer.special(SpecialToken.SEP_TOKEN).isPresent();
            this.first = framed ? tokenizer.special(SpecialToken.CLS_TOKEN) : OptionalInt.empty();
            this.last = framed ? tokenizer.special(SpecialToken.SEP_TOKEN) : OptionalInt.empty();
            this.padding = tokenizer.special(SpecialToken.PAD_TOKEN).orElse(0);
            this.room = input.data().maxLength() - (framed ? 2 : 0);
            if (room < 1) {
                throw QuernException.badInput(
                        "max_length: %d tokens leave no room for text between cls_token and sep_token; raise it",
                        input.data().maxLength());
            }
            this.documents = new FittingDocuments(
                    texts,
                    pair -> Math.max(FittingDocuments.size(texts, pair), FittingDocuments.size(seconds, pair)),
                    room,
                    input.data().onTooLong());
            if (documents.count() < 2) {
                throw QuernException.badInput(
                        "%s: %d document that fits, and a text is told from others; give more of them, or set data.text_unit",
                        texts.origin(), documents.count());
            }
        }

        @Override
        public List<String> notices() {
            return documents.notices();
        }

        @Override
        public Optional<TooLong> tooLong() {
            return Optional.of(documents.tooLong());
        }

        @Override
        public List<TokenStream> texts() {
            return seconds == texts ? List.of() : List.of(seconds);
        }

        /** Batches of one pair, which nothing tells from another, are left out. */
        @Override
        public long batchesPerEpoch() {
            long whole = documents.count() / input.rowsPerBatch();
            long rest = documents.count() % input.rowsPerBatch();
            return Math.max(1, whole + (rest > 1 ? 1 : 0));
        }

        @Override
        public Batch batch(long globalBatchIndex) {
            long epoch = globalBatchIndex / batchesPerEpoch();
            long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
            int pairs = (int) Math.min(input.rowsPerBatch(), documents.count() - start);
            Permutation order =
                    new Permutation(documents.count(), new RandomStreams(input.seed()).seed("contrastive", epoch));
            int[][] rows = new int[2 * pairs][];
            for (int i = 0; i < pairs; i++) {
                long place = order.at(start + i);
                rows[i] = row(texts, documents.start(place), documents.document(place));
                rows[pairs + i] = seconds == texts
                        ? rows[i]
                        : row(seconds, seconds.documentStart(documents.document(place)), documents.document(place));
            }
            int columns = Arrays.stream(rows).mapToInt(row -> row.length).max().orElse(0);
            int[] ids = new int[rows.length * columns];
            int[] mask = new int[ids.length];
            int[] labels = new int[rows.length];
            int[] lengths = new int[rows.length];
            Arrays.fill(ids, padding);
            for (int i = 0; i < rows.length; i++) {
                lengths[i] = rows[i].length;
                labels[i] = i < pairs ? pairs + i : Batch.NOT_COUNTED;
                System.arraycopy(rows[i], 0, ids, i * columns, lengths[i]);
                Arrays.fill(mask, i * columns, i * columns + lengths[i], 1);
            }
            Map<String, Batch.Values> others = new HashMap<>();
            others.put("attention_mask", new Batch.Values.Ints(mask, rows.length, columns));
            return new Batch(rows.length, columns, ids, labels, lengths, others);
        }

        private int[] row(TokenStream stream, long from, long document) {
            int length = (int) Math.min(room, stream.documentStart(document + 1) - from);
            int[] row = new int[length + (first.isPresent() ? 2 : 0)];
            stream.read(from, row, first.isPresent() ? 1 : 0, length);
            first.ifPresent(id -> row[0] = id);
            last.ifPresent(id -> row[length + 1] = id);
            return row;
        }
    }

    private static final String TEXTS = "text_embeds";
    private static final String SECONDS = "second_embeds";
    private static final String WEIGHTS = "pair_weights";

    /**
     * Reads {@code hidden_states} [2N, T, D], writes the vectors of the texts and of what belongs to each, both [N, D], and the
     * weights of the pairs [N], in fp32.
     */
    private static final class Pooled extends Segment {
        private final Pooling pooling;

        Pooled(Pooling pooling) {
            super("contrastive.pooling");
            this.pooling = pooling;
        }

        @Override
        public List<String> reads() {
            return List.of("hidden_states", "attention_mask", "weights");
        }

        @Override
        public List<String> writes() {
            return List.of(TEXTS, SECONDS, WEIGHTS);
        }

        @Override
        public List<Parameter> parameters() {
            return List.of();
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Tensor x_RD = pooled(flow.get("hidden_states").to(DType.FP32), flow.get("attention_mask"));
            long n = x_RD.size(0) / 2;
            flow.put(TEXTS, x_RD.narrow(0, 0, n));
            flow.put(SECONDS, x_RD.narrow(0, n, n));
            flow.put(WEIGHTS, flow.get("weights").narrow(0, 0, n).reshape(n));
        }

        private Tensor pooled(Tensor x_RTD, Tensor mask_RT) {
            return switch (pooling) {
                case FIRST -> x_RTD.narrow(1, 0, 1).squeeze(1);
                case MEAN -> {
                    Tensor real_RT1 = mask_RT.to(DType.FP32).unsqueeze(-1);
                    yield x_RTD.mul(real_RT1).sum(false, 1).div(real_RT1.sum(false, 1));
                }
                case LAST -> {
                    Tensor column_T = Tensor.arange(x_RTD.size(1), DType.INT64, x_RTD.device());
                    Tensor last_R1 = mask_RT.sum(true, -1).sub(1);
                    Tensor chosen_RT1 = column_T.unsqueeze(0)
                            .sub(last_R1)
                            .eq(0)
                            .to(DType.FP32)
                            .unsqueeze(-1);
                    yield x_RTD.mul(chosen_RT1).sum(false, 1);
                }
            };
        }
    }

    /** Reads the vectors and weights of N pairs, writes {@code logprobs} [N] and {@code loss} [1] in fp32. */
    private static final class Head extends Segment implements InBatchLoss {
        private final double temperature;

        Head(double temperature) {
            super("contrastive");
            this.temperature = temperature;
        }

        @Override
        public List<String> reads() {
            return List.of(TEXTS, SECONDS, WEIGHTS);
        }

        @Override
        public List<String> embeddings() {
            return List.of(TEXTS, SECONDS);
        }

        @Override
        public List<String> writes() {
            return List.of("logprobs", "loss");
        }

        @Override
        public List<Parameter> parameters() {
            return List.of();
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Tensor cosines_NN =
                    unit(flow.get(TEXTS)).matmul(unit(flow.get(SECONDS)).t());
            long n = cosines_NN.size(0);
            Tensor own_N1 = Tensor.arange(n, DType.INT64, cosines_NN.device()).unsqueeze(1);
            Tensor logprobs_N = Functional.logSoftmax(cosines_NN.mul(1 / temperature), 1)
                    .gather(1, own_N1)
                    .squeeze(1);
            flow.put("logprobs", logprobs_N);
            flow.put("loss", logprobs_N.mul(flow.get(WEIGHTS)).sum().neg().view(1));
        }

        private static Tensor unit(Tensor x_ND) {
            return x_ND.div(x_ND.square().sum(true, -1).sqrt());
        }
    }
}
