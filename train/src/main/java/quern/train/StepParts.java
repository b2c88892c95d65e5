package quern.train;

import java.util.ArrayDeque;
import java.util.Deque;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Segment;
import quern.nn.SegmentHook;
import quern.nn.TransformerBlock;
import quern.tensor.kernel.PartClock;
import quern.tensor.kernel.PartClock.Part;

/** Tells the clock of parts which segment is being visited; within blocks and losses the kernels say more. */
final class StepParts implements SegmentHook {
    private final Deque<Part> before = new ArrayDeque<>();

    private static Part of(Segment segment) {
        return switch (segment) {
            case TransformerBlock b -> Part.BLOCK;
            case LanguageModelHead h -> Part.HEAD;
            case FinalNorm n -> Part.NORM;
            default -> Part.EMBEDDING;
        };
    }

    private void enter(Visit visit) {
        before.push(PartClock.enter(of(visit.segment())));
    }

    private void leave() {
        PartClock.leave(before.pop());
    }

    @Override
    public void beforeForward(Visit visit) {
        enter(visit);
    }

    @Override
    public void afterForward(Visit visit) {
        leave();
    }

    @Override
    public void beforeBackward(Visit visit) {
        enter(visit);
    }

    @Override
    public void afterBackward(Visit visit) {
        leave();
    }
}
