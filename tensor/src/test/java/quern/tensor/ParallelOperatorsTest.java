package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class ParallelOperatorsTest {
    @Test
    void piecesGiveTheBitsOfWorkDoneInTurn() {
        try (Scope scope = Scope.open()) {
            List<Tensor> inputs = new ArrayList<>();
            List<Tensor> alone = new ArrayList<>();
            List<Tensor> together = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                Tensor x = Tensor.randn(new RandomStream(i), 60 + i, 60 + i).to(DType.FP64);
                inputs.add(x.matmul(x.t()));
                alone.add(Tensor.zeros(DType.FP64, 60 + i));
                together.add(Tensor.zeros(DType.FP64, 60 + i));
            }
            for (int i = 0; i < 12; i++) {
                int piece = i;
                ParallelOperators.run(
                        1,
                        true,
                        ignored -> alone.get(piece)
                                .copy_(Linalg.symmetricEigen(inputs.get(piece)).values()));
            }
            ParallelOperators.run(
                    12,
                    false,
                    i -> together.get(i)
                            .copy_(Linalg.symmetricEigen(inputs.get(i)).values()));
            for (int i = 0; i < 12; i++) {
                assertTrue(alone.get(i).equal(together.get(i)), "piece " + i);
            }
        }
    }

    @Test
    void everyPieceIsDoneOnceAndThreadsAreAsBefore() {
        int before = 2;
        Native.setThreads(before);
        long handles = Native.liveHandles();
        Set<Integer> done = ConcurrentHashMap.newKeySet();
        ParallelOperators.run(100, false, i -> {
            assertEquals(1, torch.get_num_threads());
            assertEquals(1, BlasThreads.get());
            Tensor.zeros(DType.FP32, 3);
            assertTrue(done.add(i));
        });
        assertEquals(100, done.size());
        assertEquals(before, torch.get_num_threads());
        assertEquals(before, BlasThreads.get());
        // A few are made once on each thread and kept.
        assertTrue(Native.liveHandles() - handles < 20, "pieces close their scopes");
        ParallelOperators.run(0, false, i -> {
            throw new AssertionError("no piece");
        });
    }

    @Test
    void aFailureReachesTheCaller() {
        int before = torch.get_num_threads();
        assertThrows(
                TensorException.class,
                () -> ParallelOperators.run(
                        5, false, i -> Linalg.symmetricEigen(Tensor.full(Double.NaN, DType.FP64, Device.CPU, 3, 3))));
        assertEquals(before, torch.get_num_threads());
    }
}
