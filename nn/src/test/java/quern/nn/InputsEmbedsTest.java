package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Vectors in the place of token ids. */
class InputsEmbedsTest extends ScopedTest {
    private static Flow withVectors(Flow batch, Tensor vectors) {
        Flow flow = new Flow();
        batch.names().forEach(name -> flow.put(name, batch.get(name)));
        // Other ids of the same shape: only their shape counts.
        flow.put("input_ids", Tensor.zeros(DType.INT64, batch.get("input_ids").shape()));
        return flow.put(TokenEmbedding.INPUTS_EMBEDS, vectors);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theTokensOwnVectorsGiveTheSameLoss(boolean learnedPositions) {
        ToyModel.Shape shape = learnedPositions ? ToyModel.Shape.PLAIN.withLearnedPositions() : ToyModel.Shape.PLAIN;
        try (Network network = ToyModel.decoder(shape, 1)) {
            Flow batch = ToyModel.batch(2, 2, 6);
            Tensor table = network.parameters().getFirst().value();
            Flow given = withVectors(
                    batch, Functional.embedding(table, batch.get("input_ids")).detach());
            Pass pass = Pass.evaluation();
            assertArrayEquals(
                    network.infer(batch, pass).get("logprobs").toFloats(),
                    network.infer(given, pass).get("logprobs").toFloats());
        }
    }

    @Test
    void theVectorsHaveTheGradientAndTheTableHasNone() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            Flow batch = ToyModel.batch(2, 2, 6);
            Parameter table = network.parameters().getFirst();
            Tensor vectors = Functional.embedding(table.value(), batch.get("input_ids"))
                    .detach()
                    .copy()
                    .requiresGrad_(true);
            Tensor one = Tensor.full(1, DType.FP32, Device.CPU, 1);
            try (Tape tape = network.forward(withVectors(batch, vectors), Pass.training(0))) {
                tape.backward(Map.of("loss", one));
                assertFalse(table.grad().isDefined());
                assertTrue(network.parameters().get(1).grad().isDefined());
            }
            // What the tape says without the vectors: rows of the table's gradient are sums over the places of a token.
            Tensor loss = network.wholeGraph(Map.of(), withVectors(batch, vectors), Pass.training(0))
                    .get("loss");
            Tensor ofVectors = Autograd.grad(List.of(loss), List.of(vectors), List.of(one), false, false)
                    .getFirst();
            network.parameters().forEach(Parameter::clearGrad);
            try (Tape tape = network.forward(batch, Pass.training(0))) {
                tape.backward(Map.of("loss", one));
            }
            Tensor summed = Tensor.zeros(DType.FP32, table.value().shape())
                    .indexAdd_(0, batch.get("input_ids").reshape(12), ofVectors.reshape(12, ToyModel.WIDTH));
            Gradients.assertClose(summed.toFloats(), table.grad().toFloats(), Gradients.FP32, "table");
        }
    }
}
