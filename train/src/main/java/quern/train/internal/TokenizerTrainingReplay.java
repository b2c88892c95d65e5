package quern.train.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
 * Replays cases of kind {@code tokenizer_training}: a tokenizer trained on a text, a line a document, must have the
 * expected vocabulary and merges, and give the expected ids of another text. Errors are counts of what differs.
 */
public final class TokenizerTrainingReplay implements GoldenReplay {
    private static final String BPE = "bpe";
    private static final List<String> SETTINGS = List.of("vocab_size", "min_frequency", "special_tokens");

    @Override
    public String kind() {
        return "tokenizer_training";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        TextCase files = new TextCase(golden);
        String type = files.text("type");
        if (!type.equals(BPE)) {
            throw QuernException.badInput(
                    "%s: unknown tokenizer type '%s' in this version; it trains %s", files.file(), type, BPE);
        }
        Path expectedFile = golden.folder().resolve(files.text("expected"));
        JsonNode model = parse(expectedFile).path("model");
        TokenizerJson trained = train(files, type);
        return List.of(
                GoldenCheck.of("vocabulary", differentTokens(trained, model, expectedFile), 0),
                GoldenCheck.of("merges", differentMerges(trained, model, expectedFile), 0),
                GoldenCheck.of("ids", files.differentIds(trained.tokenizer(), files.lines("eval_file")), 0));
    }

    private static TokenizerJson train(TextCase files, String type) {
        Position where = Position.of(files.file().toString());
        TokenizerTrainer trainer = Techniques.find(TokenizerTrainer.class, "tokenizer", type, where);
        Block settings = Block.empty(where);
        for (String key : SETTINGS) {
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

    /** Tokens that have another id, or that only one of the two vocabularies has. */
    private static long differentTokens(TokenizerJson trained, JsonNode model, Path file) {
        JsonNode vocab = model.path("vocab");
        if (!vocab.isObject()) {
            throw QuernException.badInput("%s: no model.vocab in it; expected a tokenizer.json", file);
        }
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
