package quern.cli.verb;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Predicate;
import quern.recipe.QuernException;
import quern.tensor.RandomStreams;
import quern.train.TextGenerator;

/**
 * Turns of a person and a model in a plain format: {@code User: }, the message, a line break, {@code Assistant: }, the
 * reply, a line break. The oldest turns are forgotten when the model's context would overflow.
 */
final class Conversation {
    /** Text that a reply ends before, since the model has begun the person's next turn. */
    static final String STOP = "\nUser:";

    private static final String USER = "User: ";
    private static final String ASSISTANT = "Assistant:";

    private final TextGenerator generator;
    private final int room;
    private final RandomStreams seeds;
    private final Deque<String> turns = new ArrayDeque<>();
    private int replies;

    /**
     * A conversation without turns.
     *
     * @param seed each reply has a stream of its own below it
     * @param room the most tokens that a prompt may have
     */
    Conversation(TextGenerator generator, long seed, int room) {
        this.generator = generator;
        this.seeds = new RandomStreams(seed);
        this.room = room;
    }

    /** Forgets all turns. */
    void clear() {
        turns.clear();
    }

    /**
     * The model's reply to a message; both become part of the conversation.
     *
     * @param listener hears the reply piece by piece, and ends it with false
     */
    TextGenerator.Result reply(String message, Predicate<String> listener) {
        String asked = USER + message + "\n" + ASSISTANT;
        int needed = generator.tokens(asked);
        if (needed > room) {
            throw QuernException.badInput(
                    "the message has %,d tokens, but the model takes %,d beside a reply; shorten it", needed, room);
        }
        while (generator.tokens(String.join("", turns) + asked) > room) {
            turns.removeFirst();
        }
        boolean[] begun = {false};
        TextGenerator next = generator.withSeed(seeds.seed("reply", replies++));
        TextGenerator.Result result = next.generate(String.join("", turns) + asked, piece -> {
            String shown = begun[0] ? piece : piece.stripLeading();
            begun[0] |= !shown.isEmpty();
            return listener.test(shown);
        });
        turns.addLast(asked + " " + result.text().strip() + "\n");
        return result;
    }
}
