package quern.train.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.data.Tokenizer;
import quern.data.TokenizerJson;
import quern.data.TokenizerTrainer;
import quern.recipe.Block;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Replays cases of kind {@code tokenizer_training}: a tokenizer trained on a text, a line a document, beside an expected one.
 *
 * <ul>
 *   <li>{@code bpe}: the expected vocabulary and merges, and the expected ids of another text. Errors are counts of what
 *       differs.
 *   <li>{@code wordpiece}, whose reference numbers some tokens at random: the share of expected tokens that are missing, the
 *       difference in the number of tokens of another text as a share; and the ids by the expected file, exactly.
 *   <li>{@code unigram}: the difference in the number of tokens of another text as a share, within the case's tolerance.
 * </ul>
 */
public final class TokenizerTrainingReplay implements GoldenReplay {
    private static final String BPE = "bpe";
    private static final String WORDPIECE = "wordpiece";
    private static final String UNIGRAM = "unigram";
    private static final String MIN_FREQUENCY = "min_frequency";
    private static final List<String> SETTINGS = List.of("vocab_size", MIN_FREQUENCY, "special_tokens");

    /** The reference's random numbers decide between pairs of equal frequency, so its last tokens differ from run to run. */
    private static final double MISSING_TOKENS = 0.01;

    /** As many tokens as vocabularies that agree that well give. */
    private static final double TOKEN_COUNT = 0.005;

    @Override
    public String kind() {
        return "tokenizer_training";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        TextCase files = new TextCase(golden);
        String type = files.text("type");
        return switch (type) {
            case BPE -> bpe(files, type);
            case WORDPIECE -> wordpiece(files, type);
            case UNIGRAM -> List.of(count(files, train(files, type).tokenizer(), tolerance(files)));
            default ->
                throw QuernException.badInput(
                        "%s: unknown tokenizer type '%s'; expected %s, %s or %s",
                        files.file(), type, BPE, WORDPIECE, UNIGRAM);
        };
    }

    private static Path expected(TextCase files) {
        return files.golden().folder().resolve(files.text("expected"));
    }

    private static List<GoldenCheck> bpe(TextCase files, String type) {
        Path expectedFile = expected(files);
        JsonNode model = parse(expectedFile).path("model");
        TokenizerJson trained = train(files, type);
        return List.of(
                GoldenCheck.of("vocabulary", differentTokens(trained, model, expectedFile), 0),
                GoldenCheck.of("merges", differentMerges(trained, model, expectedFile), 0),
                GoldenCheck.of("ids", files.differentIds(trained.tokenizer(), files.lines("eval_file")), 0));
    }

    private static List<GoldenCheck> wordpiece(TextCase files, String type) {
        Path expectedFile = expected(files);
        JsonNode vocab = vocab(parse(expectedFile).path("model"), expectedFile);
        TokenizerJson trained = train(files, type);
        Set<String> found = Set.copyOf(trained.vocabulary());
        long missing = vocab.propertyStream()
                .filter(entry -> !found.contains(entry.getKey()))
                .count();
        Tokenizer reference = Tokenizer.load(expectedFile);
        return List.of(
                GoldenCheck.of("vocabulary", (double) missing / vocab.size(), MISSING_TOKENS),
                count(files, trained.tokenizer(), TOKEN_COUNT),
                GoldenCheck.of("ids", files.differentIds(reference, files.lines("eval_file")), 0));
    }

    private static GoldenCheck count(TextCase files, Tokenizer trained, double tolerance) {
        long expected = files.expectedIds().length;
        long found = trained.encodeAll(files.lines("eval_file")).stream()
                .mapToLong(ids -> ids.length)
                .sum();
        return GoldenCheck.of("tokens", Math.abs(found - expected) / (double) Math.max(1, expected), tolerance);
    }

    private static double tolerance(TextCase files) {
        JsonNode tolerance = files.golden().json().path("tolerance");
        if (!tolerance.isNumber()) {
            throw QuernException.badInput("%s: expected a number under 'tolerance'", files.file());
        }
        return tolerance.asDouble();
    }

    private static TokenizerJson train(TextCase files, String type) {
        Position where = Position.of(files.file().toString());
        TokenizerTrainer trainer = Techniques.find(TokenizerTrainer.class, "tokenizer", type, where);
        Block settings = Block.empty(where);
        for (String key : SETTINGS) {
            if (key.equals(MIN_FREQUENCY) && type.equals(UNIGRAM)) {
                // Unigram has no such setting.
                continue;
            }
            JsonNode value = files.golden().json().path(key);
            if (value.isMissingNode() || value.isNull()) {
                throw QuernException.badInput("%s: expected a value under '%s'", files.file(), key);
            }
            settings = settings.with(key, JsonMapper.shared().treeToValue(value, Object.class));
        }
        return trainer.train(files.lines("text_file"), settings.bind(trainer.config()));
    }

    private static JsonNode parse(Path file) {
        try {
            return JsonMapper.shared().readTree(TextCase.read(file));
        } catch (JacksonException e) {
            throw QuernException.badInput(
                    "%s: not valid JSON (%s); expected a tokenizer.json", file, e.getOriginalMessage());
        }
    }

    private static JsonNode vocab(JsonNode model, Path file) {
        JsonNode vocab = model.path("vocab");
        if (!vocab.isObject()) {
            throw QuernException.badInput("%s: no model.vocab in it; expected a tokenizer.json", file);
        }
        return vocab;
    }

    /** Tokens that have another id, or that only one of the two vocabularies has. */
    private static long differentTokens(TokenizerJson trained, JsonNode model, Path file) {
        JsonNode vocab = vocab(model, file);
        List<String> found = trained.vocabulary();
        long equal = 0;
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            int id = entry.getValue().asInt(-1);
            equal += id >= 0 && id < found.size() && found.get(id).equals(entry.getKey()) ? 1 : 0;
        }
        return Math.max(found.size(), vocab.size()) - equal;
    }

    private static long differentMerges(TokenizerJson trained, JsonNode model, Path file) {
        JsonNode merges = model.path("merges");
        if (!merges.isArray()) {
            throw QuernException.badInput("%s: no model.merges in it; expected a tokenizer.json of bpe", file);
        }
        List<TokenizerJson.Merge> expected = new ArrayList<>();
        for (JsonNode merge : merges) {
            // Older files write a merge as one text with a blank between, newer ones as a pair.
            String[] pair = merge.isString()
                    ? merge.asString().split(" ", 2)
                    : new String[] {merge.path(0).asString(""), merge.path(1).asString("")};
            expected.add(new TokenizerJson.Merge(pair[0], pair.length > 1 ? pair[1] : ""));
        }
        List<TokenizerJson.Merge> found = trained.merges();
        int shared = Math.min(found.size(), expected.size());
        long equal = 0;
        for (int i = 0; i < shared; i++) {
            equal += found.get(i).equals(expected.get(i)) ? 1 : 0;
        }
        return Math.max(found.size(), expected.size()) - equal;
    }
}
