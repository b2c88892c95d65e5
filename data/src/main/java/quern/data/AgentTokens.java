package quern.data;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import quern.data.internal.AgentRows;
import quern.data.internal.GridEpisode;
import quern.recipe.QuernException;

/**
 * A generalist agent's objective (Gato, Reed et al. 2022, arXiv:2205.06175, sections 2.1 to 2.3): text, image patches and actions
 * in one sequence, of which text and actions are predicted. A row is an episode of {@code data: {source: grid_world}}: the
 * instruction's text tokens, then for each time step the tokens of the image's patches in raster order, {@code <|separator|>} and
 * the action's token; at the end the tokenizer's end-of-text token. Images are painted anew in every epoch.
 *
 * <p>Deviations: a patch is one token of a palette, the nearest colour to its mean, where the paper embeds its pixels; there are no
 * position vectors inside an observation, and actions are discrete.
 */
public final class AgentTokens implements Objective {
    /** Between what is seen and what is done. */
    public static final String SEPARATOR = "<|separator|>";

    /** It has no settings of its own. */
    public record Config() {}

    @Override
    public String id() {
        return "agent_tokens";
    }

    @Override
    public String summary() {
        return "predict text and actions of an agent among the image patches it sees (Gato)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    /** The token of an action. */
    public static String action(String word) {
        return "<|action_" + word + "|>";
    }

    private static Stream<String> images() {
        return IntStream.range(0, GridEpisode.Cell.values().length).mapToObj(code -> "<|image_" + code + "|>");
    }

    private static Stream<String> actions() {
        return Stream.of(GridEpisode.Action.values()).map(action -> action(action.word()));
    }

    @Override
    public List<String> specialTokens() {
        List<String> all = new ArrayList<>(List.of("<|endoftext|>", SEPARATOR));
        images().forEach(all::add);
        actions().forEach(all::add);
        return List.copyOf(all);
    }

    /** An error or leaving out: a part of an episode is none. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return EnumSet.of(OnTooLong.ERROR, OnTooLong.DROP);
    }

    @Override
    public BatchSource source(Input input, Record config) {
        Tokenizer tokenizer = input.tokenizer();
        for (String token : specialTokens()) {
            boolean known =
                    token.equals("<|endoftext|>") ? tokenizer.endOfText().isPresent() : tokenizer.has(token);
            if (!known) {
                throw QuernException.badInput(
                        "objective: agent_tokens: the tokenizer has no token %s; use a tokenizer with it, or train one without special_tokens of its own",
                        token);
            }
        }
        return new AgentRows(
                input,
                images().mapToInt(tokenizer::id).toArray(),
                actions().mapToInt(tokenizer::id).toArray(),
                tokenizer.id(SEPARATOR));
    }
}
