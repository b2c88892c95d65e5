package quern.curate;

import java.util.Arrays;
import quern.models.LanguageModel;
import quern.nn.Segment;
import quern.nn.TokenEmbedding;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** What a model must be like to learn from vectors instead of tokens. */
final class LearntRows {
    private LearntRows() {}

    /**
     * The segment that reads the vectors.
     *
     * @param where begins messages
     * @throws QuernException bad input for a model without one, or whose table of token vectors has other uses
     */
    static TokenEmbedding embedding(LanguageModel model, String where) {
        TokenEmbedding embedding = model.network().segments().stream()
                .filter(TokenEmbedding.class::isInstance)
                .map(TokenEmbedding.class::cast)
                .filter(segment -> segment.readsIfPresent().contains(TokenEmbedding.INPUTS_EMBEDS))
                .findFirst()
                .orElseThrow(() -> QuernException.badInput(
                        "%s: a model of family %s reads no vectors instead of tokens; choose another family",
                        where, model.spec().family().id()));
        if (!model.network().carries().isEmpty()) {
            throw QuernException.badInput(
                    "%s: a model with memories reads rows that go on from batch to batch, which learnt rows do not; leave recurrence out",
                    where);
        }
        for (Segment segment : model.network().segments()) {
            if (segment != embedding && segment.parameters().contains(embedding.table())) {
                throw QuernException.badInput(
                        "%s: learnt rows stand beside fixed token vectors, but segment '%s' shares their matrix and would move it; set model.tie_word_embeddings: false",
                        where, segment.name());
            }
        }
        return embedding;
    }

    /** Writes the table that the rows were learnt beside into a model's. */
    static void setTable(Parameter table, SmallSet.Learnt learnt, String where) {
        long[] wanted = {learnt.vocabulary(), learnt.width()};
        if (!Arrays.equals(wanted, table.value().shape())) {
            throw QuernException.badInput(
                    "%s: rows for token vectors %s, but the model's are %s; use the model settings they were learnt for",
                    where,
                    Arrays.toString(wanted),
                    Arrays.toString(table.value().shape()));
        }
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            table.value().copy_(Tensor.of(learnt.tokenVectors(), wanted));
        }
    }
}
