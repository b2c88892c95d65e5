package quern.nn;

import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Multi-head latent attention (DeepSeek-AI 2024, arXiv:2405.04434): keys and values of all heads come from one latent vector a
 * token, and a rotary part of the key, apart from it, serves all heads. A cache holds the normed latents and the turned rotary
 * keys alone. While one token at a time is generated, queries and results are brought to the latents instead of the latents to
 * each head's keys and values: the same sum in another order.
 *
 * <p>Reads the mask and the rotary tables, as wide as the rotary part, that {@link Positions} writes. Probe points of the owner:
 * {@code attention_pattern}, {@code head_outputs} [B, T, H·V].
 */
public final class LatentAttention implements Branch {
    /**
     * The sizes and rates of one layer's attention.
     *
     * @param plainWidth of each head's queries and keys, the part that doesn't turn
     * @param rotaryWidth of the part that turns; even
     * @param valueWidth of each head's values
     * @param latentWidth of the latent vectors
     */
    public record Shape(
            int heads, int plainWidth, int rotaryWidth, int valueWidth, int latentWidth, double scale, double dropout) {
        /** Of queries and keys of a head, both parts. */
        int width() {
            return plainWidth + rotaryWidth;
        }
    }

    /** How queries come from the stream, [B, T, D] to [B, T, H·(plain + rotary)]. */
    public sealed interface Queries {
        /** By one slot. */
        record Direct(Linear slot) implements Queries {}

        /** By way of a latent vector of their own: down, norm, up. */
        record Compressed(Linear down, Norm norm, Linear up) implements Queries {}
    }

    /**
     * What keys and values come from.
     *
     * @param down from D to latent + rotary: the latent vector and, behind it, the rotary part of the key
     * @param norm over the latent vector
     * @param up from the latent to H·(plain + value): each head's key and, behind it, value
     */
    public record KeysValues(Linear down, Norm norm, Linear up) {}

    private final String owner;
    private final int layer;
    private final Shape shape;
    private final Queries queries;
    private final KeysValues keysValues;
    private final Linear output;
    private final Rotary.Pairing pairing;

    /** Attention of a layer; {@code pairing} says which dimensions turn together. */
    public LatentAttention(
            String owner,
            int layer,
            Shape shape,
            Queries queries,
            KeysValues keysValues,
            Linear output,
            Rotary.Pairing pairing) {
        this.owner = owner;
        this.layer = layer;
        this.shape = shape;
        this.queries = queries;
        this.keysValues = keysValues;
        this.output = output;
        this.pairing = pairing;
    }

    @Override
    public boolean attends() {
        return true;
    }

    @Override
    public String label() {
        return "attention";
    }

    @Override
    public List<String> reads() {
        return List.of(Positions.MASK, Positions.ROTARY + "_cos", Positions.ROTARY + "_sin");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(DocumentBorders.NAME);
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        Tensor cos = flow.get(Positions.ROTARY + "_cos");
        Tensor sin = flow.get(Positions.ROTARY + "_sin");
        long batch = x_BTD.size(0);
        long t = x_BTD.size(1);
        Tensor q_BHTD =
                queries(x_BTD, pass).view(batch, t, shape.heads, shape.width()).transpose(1, 2);
        Tensor plain_BHTN = q_BHTD.narrow(-1, 0, shape.plainWidth);
        Tensor turned_BHTR = Rotary.rotate(q_BHTD.narrow(-1, shape.plainWidth, shape.rotaryWidth), cos, sin, pairing);
        Tensor both = keysValues.down.forward(x_BTD, pass);
        Tensor latents_B1TL = keysValues
                .norm
                .forward(both.narrow(-1, 0, shape.latentWidth), pass)
                .unsqueeze(1);
        Tensor rotary_B1TR = Rotary.rotate(
                both.narrow(-1, shape.latentWidth, shape.rotaryWidth).unsqueeze(1), cos, sin, pairing);
        if (pass.cache() != null) {
            KeyValueCache.KeysValues all = pass.cache().append(layer, latents_B1TL, rotary_B1TR);
            latents_B1TL = all.keys();
            rotary_B1TR = all.values();
            if (t == 1 && keysValues.up.form() instanceof DenseLinear up && up.bias() == null) {
                return output(
                        absorbed(plain_BHTN, turned_BHTR, latents_B1TL, rotary_B1TR, up, mask(flow, pass, x_BTD), pass),
                        pass);
            }
        }
        return output(explicit(plain_BHTN, turned_BHTR, latents_B1TL, rotary_B1TR, flow, pass), pass);
    }

    private static Tensor mask(Flow flow, Pass pass, Tensor like) {
        return Positions.mask(Positions.MASK, flow, pass, like);
    }

    private Tensor output(Tensor y_BTD, Pass pass) {
        return output.forward(pass.at(owner, "head_outputs", y_BTD), pass);
    }

    private Tensor queries(Tensor x, Pass pass) {
        return switch (queries) {
            case Queries.Direct direct -> direct.slot.forward(x, pass);
            case Queries.Compressed c -> c.up.forward(c.norm.forward(c.down.forward(x, pass), pass), pass);
        };
    }

    /** Each head's keys and values from the latents, and attention over them. */
    private Tensor explicit(
            Tensor plain_BHTN, Tensor turned_BHTR, Tensor latents_B1SL, Tensor rotary_B1SR, Flow flow, Pass pass) {
        long batch = latents_B1SL.size(0);
        long s = latents_B1SL.size(2);
        Tensor both_BHSD = keysValues
                .up
                .forward(latents_B1SL.squeeze(1), pass)
                .view(batch, s, shape.heads, (long) shape.plainWidth + shape.valueWidth)
                .transpose(1, 2);
        Tensor keys_BHSD = Tensor.cat(
                List.of(
                        both_BHSD.narrow(-1, 0, shape.plainWidth),
                        rotary_B1SR.expand(batch, shape.heads, s, shape.rotaryWidth)),
                -1);
        Tensor values_BHSV = both_BHSD.narrow(-1, shape.plainWidth, shape.valueWidth);
        Tensor queries_BHTD = Tensor.cat(List.of(plain_BHTN, turned_BHTR), -1);
        return MaskedAttention.attend(
                queries_BHTD,
                keys_BHSD,
                values_BHSV,
                new MaskedAttention.Site(owner, Positions.MASK, new Attention.Scores(shape.scale, 0), shape.dropout),
                flow,
                pass);
    }

    /** Attention over the latents themselves, each head's key and value matrices moved to its query and its result. */
    private Tensor absorbed(
            Tensor plain_BH1N,
            Tensor turned_BH1R,
            Tensor latents_B1SL,
            Tensor rotary_B1SR,
            DenseLinear up,
            Tensor mask,
            Pass pass) {
        long batch = latents_B1SL.size(0);
        long s = latents_B1SL.size(2);
        int heads = shape.heads;
        Tensor up_HDL =
                pass.value(up.weight()).view(heads, (long) shape.plainWidth + shape.valueWidth, shape.latentWidth);
        Tensor latents_BSL = latents_B1SL.reshape(batch, s, shape.latentWidth);
        Tensor query_BHL = plain_BH1N
                .squeeze(2)
                .transpose(0, 1)
                .bmm(up_HDL.narrow(1, 0, shape.plainWidth))
                .transpose(0, 1);
        Tensor scores_BHS = query_BHL
                .bmm(latents_BSL.transpose(1, 2))
                .add(turned_BH1R
                        .squeeze(2)
                        .bmm(rotary_B1SR.reshape(batch, s, shape.rotaryWidth).transpose(1, 2)))
                .mul(shape.scale);
        // [1, S] or [B or 1, 1, 1, S]: the one query's row.
        Tensor rows = mask.dim() == 2 ? mask : mask.squeeze(2);
        Tensor pattern_BHS = Functional.softmax(scores_BHS.add(rows), -1);
        pattern_BHS =
                pass.at(owner, "attention_pattern", pattern_BHS.unsqueeze(2)).squeeze(2);
        return pattern_BHS
                .bmm(latents_BSL)
                .transpose(0, 1)
                .bmm(up_HDL.narrow(1, shape.plainWidth, shape.valueWidth).transpose(1, 2))
                .transpose(0, 1)
                .reshape(batch, 1, (long) heads * shape.valueWidth);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.ATTENTION_DROPOUT);
    }

    @Override
    public List<Parameter> closing() {
        return output.parameters();
    }

    @Override
    public List<Linear> linears() {
        Stream<Linear> asked = switch (queries) {
            case Queries.Direct direct -> Stream.of(direct.slot);
            case Queries.Compressed c -> Stream.of(c.down, c.up);
        };
        return Stream.concat(asked, Stream.of(keysValues.down, keysValues.up, output))
                .toList();
    }

    @Override
    public List<Parameter> parameters() {
        Stream<Norm> norms = switch (queries) {
            case Queries.Direct direct -> Stream.of(keysValues.norm);
            case Queries.Compressed c -> Stream.of(c.norm, keysValues.norm);
        };
        return Stream.concat(
                        linears().stream().flatMap(l -> l.parameters().stream()),
                        norms.flatMap(n -> n.parameters().stream()))
                .toList();
    }
}
