package quern.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

/**
 * Token vectors, with learned position vectors added where the model has them. The {@code with…} methods give variants;
 * the steps come in this order: lookup, noise ({@link Regularization#embeddingNoise}), factor, projection, types,
 * positions, sinusoids, norm, dropout. Where a flow holds {@link #INPUTS_EMBEDS}, these stand for what the lookup of
 * {@code input_ids} gives, and the table has no gradient; the ids still say the shape.
 */
public final class TokenEmbedding extends Segment {
    /** Vectors [B, T, D] instead of those of {@code input_ids}, under transformers' name. */
    public static final String INPUTS_EMBEDS = "inputs_embeds";

    private static final String INPUT_IDS = "input_ids";

    private static final class Options {
        double factor = 1;
        Linear projection;
        Norm norm;
        double sinusoidBase;
        long positionOffset;
        String ids = INPUT_IDS;
        OptionalLong positionPaddingRow = OptionalLong.empty();
        List<Types> types = List.of();

        Options() {}

        Options(Options o) {
            factor = o.factor;
            projection = o.projection;
            norm = o.norm;
            sinusoidBase = o.sinusoidBase;
            positionOffset = o.positionOffset;
            ids = o.ids;
            positionPaddingRow = o.positionPaddingRow;
            types = o.types;
        }
    }

    private record Types(String ids, Parameter table_KD) {}

    private final Parameter tokens_VD;
    private final Parameter positions_PD;
    private final double dropout;
    private final OptionalLong paddingRow;
    private final Options options;

    /** {@code positions_PD} may be null. */
    public TokenEmbedding(String name, Parameter tokens_VD, Parameter positions_PD, double dropout) {
        this(name, tokens_VD, positions_PD, dropout, OptionalLong.empty());
    }

    /** As above; lookups of {@code paddingRow} add nothing to its gradient. */
    public TokenEmbedding(
            String name, Parameter tokens_VD, Parameter positions_PD, double dropout, OptionalLong paddingRow) {
        this(name, tokens_VD, positions_PD, dropout, paddingRow, new Options());
    }

    private TokenEmbedding(
            String name,
            Parameter tokens_VD,
            Parameter positions_PD,
            double dropout,
            OptionalLong paddingRow,
            Options options) {
        super(name);
        this.paddingRow = paddingRow;
        this.tokens_VD = tokens_VD;
        this.positions_PD = positions_PD;
        this.dropout = dropout;
        this.options = options;
    }

    private TokenEmbedding with(Consumer<Options> change) {
        Options changed = new Options(options);
        change.accept(changed);
        return new TokenEmbedding(name(), tokens_VD, positions_PD, dropout, paddingRow, changed);
    }

    /** Token vectors are multiplied by {@code factor} (Gemma, Granite). */
    public TokenEmbedding withFactor(double factor) {
        return with(o -> o.factor = factor);
    }

    /** Token vectors narrower than the stream are mapped to its width (OPT). */
    public TokenEmbedding withProjection(Linear projection) {
        return with(o -> o.projection = projection);
    }

    /** A norm follows (BLOOM). */
    public TokenEmbedding withNorm(Norm norm) {
        return with(o -> o.norm = norm);
    }

    /**
     * Sines and cosines of the position are added (Vaswani et al. 2017, arXiv:1706.03762, section 3.5): dimension 2i is {@code
     * sin(p / base^(2i/D))} and 2i + 1 its cosine.
     */
    public TokenEmbedding withSinusoids(double base) {
        return with(o -> o.sinusoidBase = base);
    }

    /** Position p has row {@code p + offset} of the table (OPT). */
    public TokenEmbedding withPositionOffset(long offset) {
        return with(o -> o.positionOffset = offset);
    }

    /** Looks up the tokens called {@code name} in the flow instead of {@code input_ids}. */
    public TokenEmbedding withIds(String name) {
        return with(o -> o.ids = name);
    }

    /** Lookups of this row of the position table add nothing to its gradient (RoBERTa). */
    public TokenEmbedding withPositionPaddingRow(OptionalLong row) {
        return with(o -> o.positionPaddingRow = row);
    }

    /**
     * A vector by each token's type is added (BERT's two texts).
     *
     * @param ids the name of int64 [B, T] in the flow; type 0 when it isn't there
     * @param table_KD a row a type
     */
    public TokenEmbedding withTypes(String ids, Parameter table_KD) {
        return with(o -> {
            o.types = new ArrayList<>(o.types);
            o.types.add(new Types(ids, table_KD));
        });
    }

    /** The token vectors, a row a token. */
    public Parameter table() {
        return tokens_VD;
    }

    /**
     * What a token's vector is made of where that is a lookup of {@code input_ids} and perhaps of its position.
     *
     * @param positions may be null
     */
    record Plain(Parameter tokens, double factor, Parameter positions, long positionOffset) {}

    /** The plain form, or {@code null} where there is more to do outside training. */
    Plain plain() {
        boolean usual = looksUpOnly() && options.ids.equals(INPUT_IDS);
        return usual ? new Plain(tokens_VD, options.factor, positions_PD, options.positionOffset) : null;
    }

    @Override
    public boolean sharesPrefixes(Pass pass, long longest) {
        return pass.dropout(Regularization.Place.EMBEDDING, dropout) == 0
                && pass.regularization().embeddingNoise() == 0;
    }

    private boolean looksUpOnly() {
        return options.projection == null
                && options.norm == null
                && options.sinusoidBase == 0
                && options.types.isEmpty();
    }

    @Override
    public List<String> readsIfPresent() {
        List<String> names = new ArrayList<>(List.of(DocumentBorders.NAME));
        if (options.ids.equals(INPUT_IDS)) {
            names.add(INPUTS_EMBEDS);
        }
        options.types.forEach(types -> names.add(types.ids));
        return names;
    }

    @Override
    public List<String> reads() {
        return positions_PD == null && options.sinusoidBase == 0
                ? List.of(options.ids)
                : List.of(options.ids, "position_ids");
    }

    @Override
    public List<String> writes() {
        return List.of("hidden_states");
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>(List.of(tokens_VD));
        if (positions_PD != null) {
            all.add(positions_PD);
        }
        options.types.forEach(t -> all.add(t.table_KD));
        if (options.projection != null) {
            all.addAll(options.projection.parameters());
        }
        if (options.norm != null) {
            all.addAll(options.norm.parameters());
        }
        return all;
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.EMBEDDING_DROPOUT, Regularization.Kind.EMBEDDING_NOISE);
    }

    @Override
    public List<Linear> linears() {
        return options.projection == null ? List.of() : List.of(options.projection);
    }

    /** Where nothing but lookups and sums stands between the tables and the result, on the CPU. */
    @Override
    public Optional<HandWritten> handWritten(Flow flow, Pass pass) {
        if (!looksUpOnly()
                || flow.has(INPUTS_EMBEDS)
                || pass.regularization().embeddingNoise() != 0
                || pass.dropout(Regularization.Place.EMBEDDING, dropout) != 0
                || !Kernels.available()
                || flow.get(options.ids).dim() != 2
                || !parameters().stream().allMatch(TokenEmbedding::isPlain)) {
            return Optional.empty();
        }
        List<LookupGradients.Lookup> lookups = new ArrayList<>();
        lookups.add(
                new LookupGradients.Lookup(tokens_VD, flow.get(options.ids), options.factor, paddingRow.orElse(-1)));
        if (positions_PD != null) {
            lookups.add(new LookupGradients.Lookup(
                    positions_PD, positionRows(flow), 1, options.positionPaddingRow.orElse(-1)));
        }
        return Optional.of(new LookupGradients(this, lookups));
    }

    private static boolean isPlain(Parameter p) {
        DType dtype = p.value().dtype();
        return (dtype == DType.FP32 || dtype == DType.BF16)
                && !p.value().device().isCuda()
                && p.value().dim() == 2;
    }

    private Tensor positionRows(Flow flow) {
        Tensor rows = flow.get("position_ids");
        return options.positionOffset == 0 ? rows : rows.add(options.positionOffset);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor weight = pass.value(tokens_VD);
        Tensor given = flow.find(INPUTS_EMBEDS);
        Tensor vectors = given == null ? lookup(weight, flow.get(options.ids), paddingRow) : given.to(weight.dtype());
        Tensor x = withNoise(vectors, flow, pass);
        if (options.factor != 1) {
            x = x.mul(options.factor);
        }
        if (options.projection != null) {
            x = options.projection.forward(x, pass);
        }
        for (Types types : options.types) {
            Tensor table_KD = pass.value(types.table_KD);
            Tensor typeIds = flow.find(types.ids);
            x = x.add(typeIds == null ? table_KD.select(0, 0) : Functional.embedding(table_KD, typeIds));
        }
        if (positions_PD != null) {
            x = x.add(lookup(pass.value(positions_PD), positionRows(flow), options.positionPaddingRow));
        }
        if (options.sinusoidBase > 0) {
            x = x.add(sinusoids(flow.get("position_ids"), x.size(-1)).to(x.dtype()));
        }
        if (options.norm != null) {
            x = options.norm.forward(x, pass);
        }
        double rate = pass.dropout(Regularization.Place.EMBEDDING, dropout);
        flow.put("hidden_states", SelfAttention.drop(x, rate, "embedding_dropout", name(), pass));
    }

    /** Of positions [T] or [B, T], with a last dimension of {@code width}, in fp32. */
    private Tensor sinusoids(Tensor positions, long width) {
        float[] frequencies = new float[(int) Math.ceilDiv(width, 2)];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = (float) Math.pow(options.sinusoidBase, -2.0 * i / width);
        }
        Tensor angles = positions
                .to(DType.FP32)
                .unsqueeze(-1)
                .mul(Tensor.of(frequencies, frequencies.length).to(positions.device()));
        Tensor pairs = Tensor.stack(List.of(angles.sin(), angles.cos()), -1);
        long[] shape = angles.shape();
        shape[shape.length - 1] = 2L * frequencies.length;
        return pairs.reshape(shape).narrow(-1, 0, width);
    }

    /** Its size follows the length of the sequence, or of each document. */
    private Tensor withNoise(Tensor x_BTD, Flow flow, Pass pass) {
        double alpha = pass.regularization().embeddingNoise();
        if (alpha == 0) {
            return x_BTD;
        }
        long width = x_BTD.size(-1);
        DocumentBorders documents = DocumentBorders.of(flow);
        if (documents != null) {
            float[] most = new float[(int) x_BTD.size(-2)];
            for (int i = 0; i < documents.count(); i++) {
                float ofDocument = (float) (alpha / Math.sqrt((double) documents.length(i) * width));
                Arrays.fill(most, documents.start(i), documents.start(i) + documents.length(i), ofDocument);
            }
            Tensor noise = Tensor.empty(x_BTD.dtype(), Device.CPU, x_BTD.shape())
                    .uniform_(-1, 1, pass.random("embedding_noise/" + name()))
                    .mul(Tensor.of(most, 1, most.length, 1).to(x_BTD.dtype()));
            return x_BTD.add(noise.to(x_BTD.device()));
        }
        double most = alpha / Math.sqrt((double) x_BTD.size(-2) * width);
        // Drawn on the CPU so that one seed gives the same noise on every device.
        Tensor noise = Tensor.empty(x_BTD.dtype(), Device.CPU, x_BTD.shape())
                .uniform_(-most, most, pass.random("embedding_noise/" + name()));
        return x_BTD.add(noise.to(x_BTD.device()));
    }

    private static Tensor lookup(Tensor table, Tensor ids, OptionalLong paddingRow) {
        return paddingRow.isPresent()
                ? Functional.embedding(table, ids, paddingRow.getAsLong())
                : Functional.embedding(table, ids);
    }
}
