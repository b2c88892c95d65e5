package quern.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import quern.data.internal.ByteLevelEncoder;
import quern.data.internal.Hash;
import quern.data.internal.Json;
import quern.data.internal.NativeTokenizers;
import quern.data.internal.TextBatches;
import quern.data.internal.Utf8;
import quern.data.template.JinjaTemplate.Span;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Text to token ids and back, by any {@code tokenizer.json}. Nothing is added, truncated or padded. Instances may be
 * used by several threads at once and never touch the network.
 */
public final class Tokenizer {
    private static final String FILE = "tokenizer.json";
    private static final String CONFIG_FILE = "tokenizer_config.json";

    private final NativeTokenizers library;
    private final Optional<ByteLevelEncoder> byteLevel;
    private final String needsLibrary;
    private final String json;
    private final String configJson;
    private final Map<String, Integer> ids;
    private final String[] tokens;
    private final OptionalInt endOfText;
    private final Map<SpecialToken, Integer> special;
    private final Set<Integer> specialIds;
    private final String fingerprint;
    private final Map<String, String> specialTexts;
    private final Optional<TemplateText> template;
    private final String modelType;

    /** A chat template as it is in a file; most tokenizers are used without, so it is read when it is asked for. */
    private record TemplateText(String origin, String text) {}

    private Tokenizer(
            String source,
            JsonNode root,
            String json,
            String configJson,
            JsonNode config,
            Optional<TemplateText> template) {
        this.specialTexts = specialTexts(config);
        this.template = template;
        this.library = NativeTokenizers.parse(source, json);
        this.needsLibrary = needsLibrary(root, library);
        this.byteLevel = needsLibrary.isEmpty() ? Optional.of(new ByteLevelEncoder(root)) : Optional.empty();
        this.json = json;
        this.configJson = configJson;
        this.ids = vocabulary(source, root);
        this.tokens = byId(source, ids);
        this.endOfText = endOfText(config);
        this.special = special(config);
        this.specialIds = specialIds(root, special);
        this.fingerprint = new Hash().add(json).hex();
        // Older files of byte-pair encodings leave the type out.
        this.modelType = root.path("model").path("type").asString("BPE");
    }

    /**
     * Loads a folder with a {@code tokenizer.json} (and {@code tokenizer_config.json} where there is one), or the file
     * itself.
     */
    public static Tokenizer load(Path folderOrFile) {
        Path file = Files.isDirectory(folderOrFile) ? folderOrFile.resolve(FILE) : folderOrFile;
        if (!Files.exists(file)) {
            throw QuernException.badInput(
                    "%s: no such file; a tokenizer is a folder with a tokenizer.json in it, or that file", file);
        }
        String json = Json.read(file);
        if (json.isBlank()) {
            throw QuernException.badInput("%s: the file is empty; expected a tokenizer.json", file);
        }
        JsonNode root = Json.parse(file, json);
        Path configFile = file.resolveSibling(CONFIG_FILE);
        boolean hasConfig = Files.exists(configFile);
        String configJson = hasConfig ? Json.read(configFile) : null;
        JsonNode config = hasConfig ? Json.parse(configFile, configJson) : Json.object();
        Path beside = file.resolveSibling(ChatTemplate.FILE);
        Optional<TemplateText> template = Files.isRegularFile(beside)
                ? Optional.of(new TemplateText(beside.toString(), Json.read(beside)))
                : templateOf(configFile, config);
        return new Tokenizer(file.toString(), root, json, configJson, config, template);
    }

    /** The template in {@code tokenizer_config.json}: a text, or the one named default of several. */
    private static Optional<TemplateText> templateOf(Path file, JsonNode config) {
        JsonNode found = config.path("chat_template");
        if (found.isArray()) {
            JsonNode chosen = found.path(0);
            for (JsonNode each : found) {
                chosen = each.path("name").asString("").equals("default") ? each : chosen;
            }
            found = chosen.path("template");
        }
        return found.isString()
                ? Optional.of(new TemplateText(file + " (chat_template)", found.asString()))
                : Optional.empty();
    }

    private static Map<String, String> specialTexts(JsonNode config) {
        Map<String, String> texts = new HashMap<>();
        for (Map.Entry<String, JsonNode> entry : config.properties()) {
            String name = named(config, entry.getKey());
            if (entry.getKey().endsWith("_token") && !name.isEmpty()) {
                texts.put(entry.getKey(), name);
            }
        }
        return Map.copyOf(texts);
    }

    /** A tokenizer as it was trained. */
    public static Tokenizer of(TokenizerJson trained) {
        Path name = Path.of(FILE);
        String json = trained.tokenizerJson();
        String config = trained.tokenizerConfigJson();
        return new Tokenizer(FILE, Json.parse(name, json), json, config, Json.parse(name, config), Optional.empty());
    }

    private static String needsLibrary(JsonNode root, NativeTokenizers library) {
        String unknown = ByteLevelEncoder.unknownIn(root);
        if (!unknown.isEmpty()) {
            return unknown;
        }
        for (JsonNode added : root.path("added_tokens")) {
            String content = added.path("content").asString("");
            // The library numbers added tokens itself and holds to a file's numbers only where they are its own.
            if (!content.isEmpty()
                    && !Arrays.equals(
                            library.encode(content), new int[] {added.path("id").asInt(-1)})) {
                return "an added token that the library reads otherwise than the file says";
            }
        }
        return "";
    }

    private static Map<String, Integer> vocabulary(String source, JsonNode root) {
        Map<String, Integer> ids = new HashMap<>();
        JsonNode vocab = root.path("model").path("vocab");
        if (vocab.isObject()) {
            for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
                ids.put(entry.getKey(), entry.getValue().asInt(-1));
            }
        } else if (vocab.isArray()) {
            // Unigram models list [token, score] pairs; the position is the id.
            int id = 0;
            for (JsonNode pair : vocab) {
                ids.put(pair.path(0).asString(""), id++);
            }
        } else {
            throw QuernException.failed("%s: no model.vocab in it; expected a tokenizer.json", source);
        }
        for (JsonNode added : root.path("added_tokens")) {
            ids.put(added.path("content").asString(""), added.path("id").asInt(-1));
        }
        return ids;
    }

    private static String[] byId(String source, Map<String, Integer> ids) {
        int size = ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1;
        // Gaps between ids exist in real files, but not many times more gaps than tokens.
        if (size == 0 || size > 64L * ids.size()) {
            throw QuernException.failed(
                    "%s: %,d tokens with ids up to %,d; expected ids from 0 without wide gaps",
                    source, ids.size(), size - 1);
        }
        String[] tokens = new String[size];
        ids.forEach((token, id) -> {
            if (id < 0) {
                throw QuernException.failed("%s: token '%s' has no valid id", source, token);
            }
            tokens[id] = token;
        });
        return tokens;
    }

    private static String named(JsonNode config, String key) {
        JsonNode named = config.path(key);
        // Older files hold the token as an object with its content.
        return named.isObject() ? named.path("content").asString("") : named.asString("");
    }

    private Map<SpecialToken, Integer> special(JsonNode config) {
        Map<SpecialToken, Integer> found = new EnumMap<>(SpecialToken.class);
        for (SpecialToken token : SpecialToken.values()) {
            String name = named(config, token.key());
            Integer id = name.isEmpty() ? null : ids.get(name);
            for (String usual : token.names()) {
                id = id == null ? ids.get(usual) : id;
            }
            if (id != null) {
                found.put(token, id);
            }
        }
        return found;
    }

    private static Set<Integer> specialIds(JsonNode root, Map<SpecialToken, Integer> special) {
        Set<Integer> ids = new HashSet<>(special.values());
        for (JsonNode added : root.path("added_tokens")) {
            if (added.path("special").asBoolean(false)) {
                ids.add(added.path("id").asInt(-1));
            }
        }
        return Set.copyOf(ids);
    }

    private OptionalInt endOfText(JsonNode config) {
        String token = named(config, "eos_token");
        if (!token.isEmpty() && ids.containsKey(token)) {
            return OptionalInt.of(ids.get(token));
        }
        return BpeTrainer.END_OF_TEXT_NAMES.stream()
                .filter(ids::containsKey)
                .mapToInt(ids::get)
                .findFirst();
    }

    /**
     * This tokenizer with more tokens, found in a text before it is cut. Their ids follow the last one in the given order.
     *
     * @param tokens stand for text: they are found after the tokenizer's normalisation, as {@code transformers} adds them
     * @param special stand for no text: they are found as they are spelled
     * @throws QuernException for a token that is empty, twice in the lists or already in the vocabulary
     */
    public Tokenizer withAdded(List<String> tokens, List<String> special) {
        ObjectNode root = (ObjectNode) Json.parse(Path.of(FILE), json);
        ArrayNode added = root.path("added_tokens") instanceof ArrayNode known ? known : root.putArray("added_tokens");
        List<String> all = new ArrayList<>(tokens);
        all.addAll(special);
        Set<String> seen = new HashSet<>();
        for (String token : all) {
            if (token.isEmpty()) {
                throw QuernException.badInput("tokenizer: an added token is empty");
            }
            if (!seen.add(token)) {
                throw QuernException.badInput("tokenizer: '%s' is twice among the added tokens; name it once", token);
            }
            if (has(token)) {
                throw QuernException.badInput(
                        "tokenizer: '%s' can't be added, it is token %d already; leave it out", token, id(token));
            }
            boolean isSpecial = special.contains(token);
            added.addObject()
                    .put("id", this.tokens.length + seen.size() - 1)
                    .put("content", token)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", !isSpecial)
                    .put("special", isSpecial);
        }
        JsonNode config = configJson == null ? Json.object() : Json.parse(Path.of(CONFIG_FILE), configJson);
        Tokenizer larger = new Tokenizer(FILE, root, Json.write(root), configJson, config, template);
        for (String token : all) {
            int[] found = larger.encode(token);
            if (found.length != 1 || found[0] != larger.id(token)) {
                throw QuernException.badInput(
                        "tokenizer: '%s' can't be added: the tokenizer reads it as %s; choose a text that its normalisation"
                                + " leaves as it is",
                        token, Arrays.toString(found));
            }
        }
        return larger;
    }

    /** The ids of a text. Special tokens are added nowhere, but recognised where the text spells them. */
    public int[] encode(String text) {
        if (text.isEmpty()) {
            return new int[0];
        }
        String sound = wellFormed(text);
        int[] ids = byteLevel.isPresent() ? byteLevel.get().encode(sound) : null;
        return ids == null ? library.encode(sound) : ids;
    }

    /**
     * What of the {@code tokenizer.json} makes the native library encode; the empty text where Quern's own encoder does, which
     * gives the same ids sooner.
     */
    public String needsLibrary() {
        return needsLibrary;
    }

    /**
     * What makes texts of conversations for this tokenizer's model, where it has a chat template.
     *
     * @throws QuernException where the template is none
     */
    public Optional<ChatTemplate> chatTemplate() {
        return template.map(found -> ChatTemplate.of(found.origin(), found.text(), specialTexts));
    }

    /** The chat template's text, read or not. */
    public Optional<String> chatTemplateText() {
        return template.map(TemplateText::text);
    }

    /**
     * The same tokenizer with another chat template.
     *
     * @param name {@link ChatTemplate#CHATML}, or a file
     */
    public Tokenizer withChatTemplate(String name) {
        ChatTemplate named = ChatTemplate.named(name, specialTexts);
        Path file = Path.of(FILE);
        return new Tokenizer(
                FILE,
                Json.parse(file, json),
                json,
                configJson,
                configJson == null ? Json.object() : Json.parse(Path.of(CONFIG_FILE), configJson),
                Optional.of(new TemplateText(named.origin(), named.source())));
    }

    /**
     * The ids of a text of which parts are marked.
     *
     * @param ids all ids
     * @param ranges first token and the one behind the last of each marked part, one behind the other
     */
    public record Marked(int[] ids, int[] ranges) {}

    /**
     * The ids of each text as a whole, and which of them belong to its marked parts: a token that reaches over a border
     * belongs to the part.
     *
     * @param parts of each text, in order, as offsets of UTF-16 units
     */
    public List<Marked> encodeMarked(List<String> texts, List<List<Span>> parts) {
        List<Marked> all = new ArrayList<>(texts.size());
        for (int i = 0; i < texts.size(); i++) {
            all.add(library.encodeMarked(wellFormed(texts.get(i)), parts.get(i)));
        }
        return all;
    }

    /** The ids of each text, on all cores. */
    public List<int[]> encodeAll(List<String> texts) {
        String[] sound = texts.stream().map(Tokenizer::wellFormed).toArray(String[]::new);
        int[][] all = byteLevel.isPresent() ? byteLevel.get().encodeAll(sound) : new int[sound.length][];
        List<Integer> left = IntStream.range(0, all.length)
                .filter(i -> all[i] == null)
                .boxed()
                .toList();
        int done = 0;
        for (List<String> batch :
                TextBatches.of(left.stream().map(i -> sound[i]).toList())) {
            for (int[] ids : library.encodeAll(batch.toArray(String[]::new))) {
                all[left.get(done++)] = ids;
            }
        }
        return Arrays.asList(all);
    }

    private static String wellFormed(String text) {
        return Utf8.countLoneSurrogates(text) == 0 ? text : Utf8.replaceLoneSurrogates(text);
    }

    /** The text of the ids, special tokens included. A character cut in half shows as U+FFFD. */
    public String decode(int[] ids) {
        return decode(ids, 0, ids.length);
    }

    String decode(int[] ids, int from, int to) {
        for (int i = from; i < to; i++) {
            if (ids[i] < 0 || ids[i] >= tokens.length) {
                throw new IllegalArgumentException(
                        "token id " + ids[i] + " is outside the vocabulary of " + tokens.length);
            }
        }
        return from == to ? "" : library.decode(ids, from, to);
    }

    /** A decoder for ids that arrive one by one. */
    public StreamingDecoder streamingDecoder() {
        return new StreamingDecoder(this);
    }

    /** What the {@code tokenizer.json} calls its model: {@code BPE}, {@code WordPiece}, {@code Unigram}, {@code WordLevel}. */
    public String modelType() {
        return modelType;
    }

    /** One more than the largest id. */
    public int vocabularySize() {
        return tokens.length;
    }

    /** The token that ends a document, where the tokenizer has one. */
    public OptionalInt endOfText() {
        return endOfText;
    }

    /** The id of a token with a part of its own, where the tokenizer has one. */
    public OptionalInt special(SpecialToken token) {
        Integer id = special.get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** Whether the id is one of the tokens that the tokenizer calls special, which stand for no text. */
    public boolean isSpecial(int id) {
        return specialIds.contains(id);
    }

    /** The token of an id as the vocabulary spells it; the empty string for a gap in the ids. */
    public String token(int id) {
        if (id < 0 || id >= tokens.length) {
            throw new IllegalArgumentException("token id " + id + " is outside the vocabulary of " + tokens.length);
        }
        return tokens[id] == null ? "" : tokens[id];
    }

    /** Whether the vocabulary has a token of this spelling. */
    public boolean has(String token) {
        return ids.containsKey(token);
    }

    /** The id of a token as the vocabulary spells it. */
    public int id(String token) {
        Integer id = ids.get(token);
        if (id == null) {
            throw new IllegalArgumentException("the vocabulary has no token '" + token + "'");
        }
        return id;
    }

    /** SHA-256 of the {@code tokenizer.json}, in hexadecimal. */
    public String fingerprint() {
        return fingerprint;
    }

    /**
     * Writes {@code tokenizer.json}, {@code tokenizer_config.json} and, where there is a chat template, {@code
     * chat_template.jinja} into the folder; gives the first.
     */
    public Path save(Path folder) {
        try {
            Files.createDirectories(folder);
            Path file = folder.resolve(FILE);
            DurableFiles.write(file, json.getBytes(StandardCharsets.UTF_8));
            DurableFiles.write(folder.resolve(CONFIG_FILE), configText().getBytes(StandardCharsets.UTF_8));
            if (template.isPresent()) {
                DurableFiles.write(
                        folder.resolve(ChatTemplate.FILE), template.get().text().getBytes(StandardCharsets.UTF_8));
            }
            return file;
        } catch (IOException e) {
            throw DurableFiles.writeFailure(folder, -1, e);
        }
    }

    private String configText() {
        if (configJson != null) {
            return configJson;
        }
        var config = Json.object();
        config.put("tokenizer_class", "PreTrainedTokenizerFast").put("clean_up_tokenization_spaces", false);
        endOfText.ifPresent(id -> config.put("eos_token", token(id)));
        return Json.write(config);
    }
}
