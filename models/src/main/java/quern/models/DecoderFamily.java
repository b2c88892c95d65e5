package quern.models;

import java.util.List;
import quern.nn.Pooler;
import quern.nn.QuestionAnsweringHead;
import quern.nn.Segment;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenClassificationHead;

/**
 * A family that reads from left to right. It lists its {@link #body} and its {@link #languageModelHead}; the other heads
 * are the same in all such families and stand here.
 *
 * @param <C> the family's settings
 */
public interface DecoderFamily<C extends Record & ModelConfig> extends ModelFamily<C> {
    /** The head that predicts the next token; it may share a matrix of the body, {@link Weights#tied}. */
    Segment languageModelHead(C config, Weights weights);

    /** What the head that labels tokens is called: {@code score}, or {@code classifier} in older families. */
    default String tokenClassifier() {
        return "score";
    }

    /** {@inheritDoc} Sequences are judged by their last real token, since only that has seen all others. */
    @Override
    default List<Segment> head(C config, Weights weights, HeadSettings settings) {
        int width = config.outputWidth();
        double std = settings.initializerRange();
        int labels = settings.labels();
        return switch (settings.task()) {
            case CAUSAL_LM -> List.of(languageModelHead(config, weights));
            case SEQUENCE_CLASSIFICATION, REWARD ->
                List.of(
                        new Pooler("pooler", SequencePooling.lastToken(settings.padToken())),
                        new SequenceClassificationHead(
                                "score",
                                weights.linear("score", width, labels, false, std),
                                0,
                                settings.problemType()));
            case TOKEN_CLASSIFICATION ->
                List.of(new TokenClassificationHead(
                        tokenClassifier(),
                        weights.linear(tokenClassifier(), width, labels, settings.tokenBias(), std),
                        settings.dropout()));
            case QUESTION_ANSWERING ->
                List.of(new QuestionAnsweringHead("qa_outputs", weights.linear("qa_outputs", width, 2, true, std), 0));
            case MODEL -> List.of();
            case MASKED_LM, PRE_TRAINING, NEXT_SENTENCE, SEQ2SEQ_LM, CONTRASTIVE, IMAGE_TOKENS ->
                throw new IllegalArgumentException(id() + " declares a task that it has no head for");
        };
    }
}
