package quern.cli.verb;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import quern.data.ChatMessages;
import quern.data.ChatTemplate;
import quern.recipe.QuernException;
import quern.tensor.RandomStreams;
import quern.train.TextGenerator;

/**
 * Turns of a person and a model, by the model's chat template, or without one in a plain format: {@code User: }, the message,
 * a line break, {@code Assistant: }, the reply, a line break. The oldest turns are forgotten when the model's context would
 * overflow.
 */
final class Conversation {
    /** Text that a reply in the plain format ends before, since the model has begun the person's next turn. */
    static final String STOP = "\nUser:";

    private static final String USER = "User: ";
    private static final String ASSISTANT = "Assistant:";

    private final TextGenerator generator;
    private final Optional<ChatTemplate> template;
    private final int room;
    private final RandomStreams seeds;
    private final List<Map<String, Object>> messages = new ArrayList<>();
    private int replies;

    /**
     * A conversation without turns.
     *
     * @param template how a model was shown conversations; empty for the plain format
     * @param seed each reply has a stream of its own below it
     * @param room the most tokens that a prompt may have
     */
    Conversation(TextGenerator generator, Optional<ChatTemplate> template, long seed, int room) {
        this.generator = generator;
        this.template = template;
        this.seeds = new RandomStreams(seed);
        this.room = room;
    }

    /** The text that ends a reply. */
    static Optional<String> stop(Optional<ChatTemplate> template) {
        return template.isPresent() ? template.get().turnEnd() : Optional.of(STOP);
    }

    /** Forgets all turns. */
    void clear() {
        messages.clear();
    }

    private String prompt(List<Map<String, Object>> turns) {
        if (template.isPresent()) {
            return template.get().render(ChatMessages.of(turns), true);
        }
        StringBuilder text = new StringBuilder();
        for (Map<String, Object> turn : turns) {
            boolean reply = ChatMessages.ASSISTANT.equals(turn.get("role"));
            text.append(reply ? " " : USER).append(turn.get("content")).append('\n');
            text.append(reply ? "" : ASSISTANT);
        }
        return text.toString();
    }

    /**
     * The model's reply to a message; both become part of the conversation.
     *
     * @param listener hears the reply piece by piece, and ends it with false
     */
    TextGenerator.Result reply(String message, Predicate<String> listener) {
        Map<String, Object> asked = ChatMessages.message("user", message);
        int needed = generator.tokens(prompt(List.of(asked)));
        if (needed > room) {
            throw QuernException.badInput(
                    "the message has %,d tokens, but the model takes %,d beside a reply; shorten it", needed, room);
        }
        List<Map<String, Object>> turns = new ArrayList<>(messages);
        turns.add(asked);
        while (generator.tokens(prompt(turns)) > room) {
            turns.subList(0, 2).clear();
        }
        boolean[] begun = {false};
        TextGenerator next = generator.withSeed(seeds.seed("reply", replies++));
        TextGenerator.Result result = next.generate(prompt(turns), piece -> {
            String shown = begun[0] ? piece : piece.stripLeading();
            begun[0] |= !shown.isEmpty();
            return listener.test(shown);
        });
        turns.add(ChatMessages.message(ChatMessages.ASSISTANT, result.text().strip()));
        messages.clear();
        messages.addAll(turns);
        return result;
    }
}
