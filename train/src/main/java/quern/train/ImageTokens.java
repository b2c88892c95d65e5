package quern.train;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CaptionedImages;
import quern.data.DataConfig;
import quern.data.EpochOrder;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.data.SpecialToken;
import quern.data.Tokenizer;
import quern.data.TooLong;
import quern.models.vqvae.ImageTokenizer;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Text and image in one sequence (DALL-E, Ramesh et al. 2021, arXiv:2102.12092, sections 2 and 2.2): a row is a caption's tokens,
 * {@code <|startofimage|>} and the codes of its image, row by row, which the VQ-VAE of a folder gives ({@code vq_image} trains
 * one); a causal model predicts all of it. The codes are tokens of the vocabulary, {@code <|image_0|>} and on. The mean loss of a
 * batch's text tokens and that of its image tokens are weighed, 1/8 and 7/8 as there. {@link ImageGenerator} makes images of
 * captions.
 *
 * <p>{@link CaptionedImages} says where images come from. Each becomes codes once, before training, so painted ones are the same in
 * every epoch.
 *
 * <p>Deviations: captions are not padded to one length and images have no positions of their own, so attention is the model's
 * usual causal one; codes are those of a VQ-VAE's codebook, not of a Gumbel-softmax; a step of several batches weighs the
 * kinds within each.
 */
public final class ImageTokens implements TrainedObjective {
    /** The token between caption and codes. */
    public static final String START = "<|startofimage|>";

    private static final int ENCODED_AT_ONCE = 64;
    /** Codes of a corpus are held in memory: 200 MB. */
    private static final long MOST_CODES = 50_000_000;

    /**
     * @param imageTokenizer the folder of a VQ-VAE
     * @param textWeight what the mean loss of text tokens counts
     * @param imageWeight what the mean loss of image tokens counts
     */
    public record Config(
            @Doc("The folder of the VQ-VAE that makes codes of images, as objective vq_image trains one.")
            String imageTokenizer,

            @Doc("What the mean loss of text tokens counts.") @Default("0.125") @Range(min = 0)
            double textWeight,

            @Doc("What the mean loss of image tokens counts.") @Default("0.875") @Range(min = 0, minExclusive = true)
            double imageWeight) {}

    private final int codes;

    /** The technique, which {@link #configured} makes an objective of. */
    public ImageTokens() {
        this(0);
    }

    private ImageTokens(int codes) {
        this.codes = codes;
    }

    @Override
    public String id() {
        return "image_tokens";
    }

    @Override
    public String summary() {
        return "predict a caption and the codes of its image in one sequence (DALL-E)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    /** {@inheritDoc} How many codes there are the folder says. */
    @Override
    public Objective configured(Record config) {
        return new ImageTokens(settings((Config) config).codes());
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    @Override
    public List<String> specialTokens() {
        return Stream.concat(Stream.of("<pad>", "<|endoftext|>", START), names(codes))
                .toList();
    }

    private static Stream<String> names(int codes) {
        return IntStream.range(0, codes).mapToObj(code -> "<|image_" + code + "|>");
    }

    /**
     * The ids of the tokens that stand for codes, in their order.
     *
     * @throws QuernException bad input for a tokenizer that lacks some
     */
    static int[] ids(Tokenizer tokenizer, int codes) {
        Stream.concat(Stream.of(START), names(codes))
                .filter(name -> !tokenizer.has(name))
                .findFirst()
                .ifPresent(name -> {
                    throw QuernException.badInput(
                            "objective: image_tokens: the tokenizer has no token %s, but the image tokenizer has %d codes; use a tokenizer with a token for each, or train one without special_tokens of its own",
                            name, codes);
                });
        return names(codes).mapToInt(tokenizer::id).toArray();
    }

    private static ImageTokenizer.Settings settings(Config config) {
        ImageTokenizer.Settings settings = ImageTokenizer.settings(
                ModelFolder.find(Path.of(config.imageTokenizer())).path());
        if (settings.channels() != CaptionedImages.CHANNELS) {
            throw QuernException.badInput(
                    "objective: image_tokens: %s is for images of %d colours; expected 3: red, green and blue",
                    config.imageTokenizer(), settings.channels());
        }
        return settings;
    }

    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return CaptionedImages.onTooLong();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return rows(input, (Config) config, false);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(rows(input, (Config) config, true));
    }

    private BatchSource rows(Input input, Config config, boolean validation) {
        ImageTokenizer.Settings settings = settings(config);
        int[] ids = ids(input.tokenizer(), settings.codes());
        CaptionedImages images = CaptionedImages.of(input, settings.imageSize(), validation, id());
        int each = settings.codesPerImage();
        if (each >= input.data().maxLength()) {
            throw QuernException.badInput(
                    "max_length: an image has %d codes, and a row of %d tokens has no room for its caption; raise it",
                    each, input.data().maxLength());
        }
        // A row is a caption, the token before an image and its codes, of which the last is no input.
        CaptionedImages fitting = images.fitting(each);
        if (fitting.count() * each > MOST_CODES) {
            throw QuernException.badInput(
                    "objective: image_tokens: %,d images of %d codes each, and at most %,d codes are held in memory; give fewer images, or larger patches to the image tokenizer",
                    fitting.count(), each, MOST_CODES);
        }
        return new Rows(input, fitting, encoded(fitting, config, input.seed(), ids), each);
    }

    /** The tokens of all images, one image behind the other. */
    private static int[] encoded(CaptionedImages images, Config config, long seed, int[] ids) {
        RandomStreams streams = new RandomStreams(seed);
        try (ImageTokenizer tokenizer = ImageTokenizer.load(
                ModelFolder.find(Path.of(config.imageTokenizer())).path())) {
            int each = tokenizer.settings().codesPerImage();
            int count = Math.toIntExact(images.count());
            int[] all = new int[count * each];
            for (int from = 0; from < count; from += ENCODED_AT_ONCE) {
                int n = Math.min(ENCODED_AT_ONCE, count - from);
                float[] pixels = new float[n * images.values()];
                for (int i = 0; i < n; i++) {
                    images.paint(from + i, streams.seed("image_tokens/paint", from + i), pixels, i * images.values());
                }
                int[] some = tokenizer.encode(pixels);
                for (int i = 0; i < some.length; i++) {
                    all[from * each + i] = ids[some[i]];
                }
            }
            return all;
        }
    }

    /** Rows of captions and codes, in another order every epoch. */
    private static final class Rows implements BatchSource {
        private final CaptionedImages images;
        private final int[] codes;
        private final int each;
        private final int start;
        private final int padding;
        private final EpochOrder order;

        Rows(Input input, CaptionedImages images, int[] codes, int each) {
            this.images = images;
            this.codes = codes;
            this.each = each;
            this.start = input.tokenizer().id(START);
            this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
            RandomStreams random = new RandomStreams(input.seed());
            this.order =
                    new EpochOrder(images.count(), input.rowsPerBatch(), epoch -> random.seed("image_tokens", epoch));
        }

        @Override
        public long batchesPerEpoch() {
            return order.batchesPerEpoch();
        }

        @Override
        public List<String> notices() {
            return images.notices();
        }

        @Override
        public Optional<TooLong> tooLong() {
            return images.tooLong();
        }

        @Override
        public Batch batch(long globalBatchIndex) {
            int[][] rows = Arrays.stream(order.batch(globalBatchIndex))
                    .mapToObj(this::row)
                    .toArray(int[][]::new);
            int count = rows.length;
            int columns =
                    Arrays.stream(rows).mapToInt(row -> row.length - 1).max().orElse(0);
            int[] ids = new int[count * columns];
            int[] labels = new int[ids.length];
            int[] lengths = new int[count];
            Arrays.fill(ids, padding);
            Arrays.fill(labels, Batch.NOT_COUNTED);
            for (int row = 0; row < count; row++) {
                lengths[row] = rows[row].length - 1;
                System.arraycopy(rows[row], 0, ids, row * columns, lengths[row]);
                System.arraycopy(rows[row], 1, labels, row * columns, lengths[row]);
            }
            return new Batch(count, columns, ids, labels, lengths, Batch.maskWherePadded(lengths, columns));
        }

        /** The whole row of an image, its last code included. */
        private int[] row(int number) {
            int[] caption = images.caption(number);
            int[] row = Arrays.copyOf(caption, caption.length + 1 + each);
            row[caption.length] = start;
            System.arraycopy(codes, number * each, row, caption.length + 1, each);
            return row;
        }
    }

    @Override
    public Added add(Place place) {
        Config config = (Config) place.config();
        int vocabulary = place.tokenizer().vocabularySize();
        float[] isImage = new float[vocabulary];
        for (int id : ids(place.tokenizer(), settings(config).codes())) {
            isImage[id] = 1;
        }
        try (Scope scope = Scope.open()) {
            Tensor isImage_V =
                    Tensor.of(isImage, vocabulary).to(place.model().device()).keep();
            return new Added(
                    List.of(new KindWeights(isImage_V, config.textWeight(), config.imageWeight())),
                    List.of(),
                    isImage_V::close);
        }
    }

    /** Replaces {@code weights} [B, T] so that both kinds of {@code targets} count together what they should. */
    private static final class KindWeights extends Segment {
        private final Tensor isImage_V;
        private final double text;
        private final double image;

        KindWeights(Tensor isImage_V, double text, double image) {
            super("image_tokens.weights");
            this.isImage_V = isImage_V;
            this.text = text;
            this.image = image;
        }

        @Override
        public List<String> reads() {
            return List.of();
        }

        @Override
        public List<String> readsIfPresent() {
            return List.of("targets", "weights");
        }

        @Override
        public List<String> writes() {
            return List.of("weights");
        }

        @Override
        public List<Parameter> parameters() {
            return List.of();
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Tensor weights_BT = flow.find("weights");
            if (weights_BT == null) {
                return;
            }
            Tensor targets_BT = flow.get("targets");
            Tensor counted_BT = targets_BT.ge(0).to(DType.FP32);
            Tensor image_BT = isImage_V
                    .indexSelect(0, targets_BT.clampMin(0).reshape(-1))
                    .view(targets_BT.shape())
                    .mul(counted_BT);
            Tensor text_BT = counted_BT.sub(image_BT);
            // A batch's share of its step's targets is its share of the step.
            Tensor share = weights_BT.sum();
            flow.put("weights", mean(image_BT, image).add(mean(text_BT, text)).mul(share));
        }

        private static Tensor mean(Tensor chosen_BT, double weight) {
            return chosen_BT.div(chosen_BT.sum().clampMin(1)).mul(weight);
        }
    }
}
