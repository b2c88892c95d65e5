package quern.models.part.structure;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.Task;
import quern.models.part.Assembly;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.models.part.StructurePart;
import quern.nn.Activation;
import quern.nn.Linear;
import quern.nn.Mask;
import quern.nn.Pooler;
import quern.nn.PredictionTransform;
import quern.nn.QuestionAnsweringHead;
import quern.nn.Segment;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenClassificationHead;

/** One stack that sees the whole text at once (Devlin et al. 2019, arXiv:1810.04805). Its heads are BERT's: hidden tokens are
 * predicted behind a map, an activation and a norm; a text is judged by a map and tanh of its first token. */
public final class Encoder implements PartTechnique {
    @Override
    public String kind() {
        return StructurePart.KIND;
    }

    @Override
    public String id() {
        return "encoder";
    }

    @Override
    public String summary() {
        return "Sees the whole text at once (BERT)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements StructurePart {
        @Override
        public Set<Task> tasks() {
            return Set.of(
                    Task.MASKED_LM,
                    Task.SEQUENCE_CLASSIFICATION,
                    Task.REWARD,
                    Task.TOKEN_CLASSIFICATION,
                    Task.QUESTION_ANSWERING,
                    Task.MODEL);
        }

        @Override
        public List<Stack> stacks(Composition c) {
            return List.of(Stack.single(c.numHiddenLayers(), Mask.bidirectional()));
        }

        @Override
        public List<Segment> body(Assembly a) {
            return a.normedStack(stacks(a.config()).getFirst());
        }

        @Override
        public List<Segment> head(Assembly a, HeadSettings settings) {
            int width = a.config().hiddenSize();
            int labels = settings.labels();
            return switch (settings.task()) {
                case MASKED_LM -> maskedLanguageModel(a);
                case SEQUENCE_CLASSIFICATION, REWARD ->
                    List.of(
                            new Pooler(
                                    "pooler",
                                    SequencePooling.firstToken(),
                                    0,
                                    a.linear(Role.OTHER, "pooler.dense", width, width, true),
                                    Activation.TANH,
                                    null),
                            new SequenceClassificationHead(
                                    "classifier",
                                    a.linear(Role.HEAD, "classifier", width, labels, true),
                                    settings.dropout(),
                                    settings.problemType()));
                case TOKEN_CLASSIFICATION ->
                    List.of(new TokenClassificationHead(
                            "classifier", a.linear(Role.HEAD, "classifier", width, labels, true), settings.dropout()));
                case QUESTION_ANSWERING ->
                    List.of(new QuestionAnsweringHead(
                            "qa_outputs", a.linear(Role.HEAD, "qa_outputs", width, 2, true), 0));
                case MODEL -> List.of();
                case CAUSAL_LM, PRE_TRAINING, NEXT_SENTENCE, SEQ2SEQ_LM, CONTRASTIVE, IMAGE_TOKENS ->
                    throw new IllegalArgumentException("no head for " + settings.task());
            };
        }

        private static List<Segment> maskedLanguageModel(Assembly a) {
            Composition c = a.config();
            Linear dense = a.linear(Role.OTHER, "cls.transform.dense", c.hiddenSize(), c.hiddenSize(), true);
            List<Segment> head = new ArrayList<>();
            head.add(new PredictionTransform(
                    "cls.transform", dense, a.parts().feedForward().headActivation(), a.norm("cls.transform.norm")));
            head.add(a.languageModelHead(
                    "cls.decoder", a.weights().parameter("cls.bias", Initialization.ZEROS, c.vocabSize())));
            head.addAll(a.parts().feedForward().losses(Stack.single(c.numHiddenLayers(), Mask.bidirectional()), a));
            return head;
        }
    }
}
