package quern.nn;

import java.util.List;
import java.util.OptionalLong;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Token vectors, with learned position vectors added where the model has them. */
public final class TokenEmbedding extends Segment {
    private final Parameter tokens_VD;
    private final Parameter positions_PD;
    private final double dropout;
    private final OptionalLong paddingRow;

    /** {@code positions_PD} may be null. */
    public TokenEmbedding(String name, Parameter tokens_VD, Parameter positions_PD, double dropout) {
        this(name, tokens_VD, positions_PD, dropout, OptionalLong.empty());
    }

    /** As above; lookups of {@code paddingRow} add nothing to its gradient. */
    public TokenEmbedding(
            String name, Parameter tokens_VD, Parameter positions_PD, double dropout, OptionalLong paddingRow) {
        super(name);
        this.paddingRow = paddingRow;
        this.tokens_VD = tokens_VD;
        this.positions_PD = positions_PD;
        this.dropout = dropout;
    }

    @Override
    public List<String> reads() {
        return List.of("input_ids", "position_ids");
    }

    @Override
    public List<String> writes() {
        return List.of("hidden_states");
    }

    @Override
    public List<Parameter> parameters() {
        return positions_PD == null ? List.of(tokens_VD) : List.of(tokens_VD, positions_PD);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor weight = pass.value(tokens_VD);
        Tensor ids = flow.get("input_ids");
        Tensor x = paddingRow.isPresent()
                ? Functional.embedding(weight, ids, paddingRow.getAsLong())
                : Functional.embedding(weight, ids);
        if (positions_PD != null) {
            x = x.add(Functional.embedding(pass.value(positions_PD), flow.get("position_ids")));
        }
        flow.put("hidden_states", SelfAttention.drop(x, dropout, "embedding_dropout", name(), pass));
    }
}
