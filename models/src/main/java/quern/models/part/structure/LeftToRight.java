package quern.models.part.structure;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import quern.models.HeadSettings;
import quern.models.Task;
import quern.models.part.Assembly;
import quern.models.part.InitializationPart.Role;
import quern.models.part.StructurePart;
import quern.nn.Pooler;
import quern.nn.QuestionAnsweringHead;
import quern.nn.Segment;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenClassificationHead;

/**
 * One stack that writes from left to right. Sequences are judged by their last real token, which has seen all others.
 */
interface LeftToRight extends StructurePart {
    @Override
    default Set<Task> tasks() {
        return Set.of(
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.REWARD,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    default List<Segment> body(Assembly a) {
        return a.normedStack(stacks(a.config()).getFirst());
    }

    @Override
    default List<Segment> head(Assembly a, HeadSettings settings) {
        int width = a.config().hiddenSize();
        int labels = settings.labels();
        return switch (settings.task()) {
            case CAUSAL_LM -> {
                List<Segment> head = new ArrayList<>(List.of(a.languageModelHead("lm_head", null)));
                head.addAll(a.parts().feedForward().losses(stacks(a.config()).getFirst(), a));
                yield head;
            }
            case SEQUENCE_CLASSIFICATION, REWARD ->
                List.of(
                        new Pooler("pooler", SequencePooling.lastToken(settings.padToken())),
                        new SequenceClassificationHead(
                                "score",
                                a.linear(Role.HEAD, "score", width, labels, false),
                                0,
                                settings.problemType()));
            case TOKEN_CLASSIFICATION ->
                List.of(new TokenClassificationHead(
                        "score",
                        a.linear(Role.HEAD, "score", width, labels, settings.tokenBias()),
                        settings.dropout()));
            case QUESTION_ANSWERING ->
                List.of(new QuestionAnsweringHead("qa_outputs", a.linear(Role.HEAD, "qa_outputs", width, 2, true), 0));
            case MODEL -> List.of();
            case MASKED_LM, PRE_TRAINING, NEXT_SENTENCE, SEQ2SEQ_LM, CONTRASTIVE, IMAGE_TOKENS ->
                throw new IllegalArgumentException("no head for " + settings.task());
        };
    }
}
