package quern.data;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.internal.Json;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A trained tokenizer as plain data, in the layout of the {@code tokenizers} library's {@code tokenizer.json}.
 *
 * @param vocabulary tokens in order of their ids, from 0
 * @param merges pairs of tokens, the first learned first; empty for models without merges
 * @param specialTokens tokens that no text is split into by the model itself
 * @param endOfText the token put after a document, one of the special tokens
 * @param unknown the token for what the vocabulary lacks
 * @param parts the sections {@code normalizer} (where there is one), {@code pre_tokenizer}, {@code decoder} and {@code
 *     model} (without vocabulary and merges)
 * @param scores log-probabilities of the tokens by id, of a {@code Unigram} model; empty for others
 */
public record TokenizerJson(
        List<String> vocabulary,
        List<Merge> merges,
        List<String> specialTokens,
        Optional<String> endOfText,
        Optional<String> unknown,
        Map<String, Map<String, Object>> parts,
        List<Double> scores) {
    /** The key of {@code parts} for what a text goes through first. */
    public static final String NORMALIZER = "normalizer";

    /** Two tokens that become one. */
    public record Merge(String left, String right) {}

    /** A tokenizer whose tokens have no scores. */
    public TokenizerJson(
            List<String> vocabulary,
            List<Merge> merges,
            List<String> specialTokens,
            Optional<String> endOfText,
            Optional<String> unknown,
            Map<String, Map<String, Object>> parts) {
        this(vocabulary, merges, specialTokens, endOfText, unknown, parts, List.of());
    }

    /** Copies the lists. */
    public TokenizerJson {
        vocabulary = List.copyOf(vocabulary);
        merges = List.copyOf(merges);
        specialTokens = List.copyOf(specialTokens);
        parts = new LinkedHashMap<>(parts);
        scores = List.copyOf(scores);
    }

    /** The text of {@code tokenizer.json}. */
    public String tokenizerJson() {
        ObjectNode root = Json.object();
        root.put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode added = root.putArray("added_tokens");
        for (String token : specialTokens) {
            added.addObject()
                    .put("id", vocabulary.indexOf(token))
                    .put("content", token)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        if (parts.containsKey(NORMALIZER)) {
            root.set(NORMALIZER, Json.tree(parts.get(NORMALIZER)));
        } else {
            root.putNull(NORMALIZER);
        }
        root.set("pre_tokenizer", Json.tree(parts.get("pre_tokenizer")));
        root.putNull("post_processor");
        root.set("decoder", Json.tree(parts.get("decoder")));
        ObjectNode model = Json.tree(parts.get("model"));
        root.set("model", model);
        putVocabulary(model);
        if (model.path("type").asString().equals("BPE")) {
            ArrayNode pairs = model.putArray("merges");
            for (Merge merge : merges) {
                pairs.addArray().add(merge.left()).add(merge.right());
            }
        }
        return Json.write(root);
    }

    private void putVocabulary(ObjectNode model) {
        if (scores.isEmpty()) {
            ObjectNode vocab = model.putObject("vocab");
            for (int id = 0; id < vocabulary.size(); id++) {
                vocab.put(vocabulary.get(id), id);
            }
            return;
        }
        ArrayNode pairs = model.putArray("vocab");
        for (int id = 0; id < vocabulary.size(); id++) {
            pairs.addArray().add(vocabulary.get(id)).add(scores.get(id));
        }
    }

    /** The text of {@code tokenizer_config.json}, by which {@code transformers} picks its class. */
    public String tokenizerConfigJson() {
        ObjectNode root = Json.object();
        root.put("tokenizer_class", "PreTrainedTokenizerFast");
        root.put("clean_up_tokenization_spaces", false);
        endOfText.ifPresent(token -> root.put("bos_token", token).put("eos_token", token));
        for (SpecialToken part : SpecialToken.values()) {
            part.names().stream()
                    .filter(specialTokens::contains)
                    .findFirst()
                    .filter(token -> !root.has(part.key()))
                    .ifPresent(token -> root.put(part.key(), token));
        }
        unknown.ifPresent(token -> root.put("unk_token", token));
        return Json.write(root);
    }

    /** Ready to encode and decode. */
    public Tokenizer tokenizer() {
        return Tokenizer.of(this);
    }
}
