package quern.train;

import java.util.ArrayList;
import java.util.List;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

/**
 * A model and a batch whose training steps are timed, and the model its generation; {@code bench/python/step_time.py} and
 * {@code generate.py} have the same under the same names.
 *
 * @param label the name on the command line
 * @param keyValueHeads 0 for a GPT-2 shaped model, which has as many as heads
 * @param inner features inside the feed-forward part
 * @param batch rows a step
 * @param length tokens a row
 */
public record Workload(
        String label,
        int layers,
        int heads,
        int keyValueHeads,
        int width,
        int inner,
        int vocabulary,
        int batch,
        int length) {
    private static final List<Workload> ALL = List.of(
            // nanoGPT's model on the character text.
            gpt("char", 4, 4, 128, 65, 12, 64),
            gpt("30m", 6, 6, 384, 50304, 8, 256),
            gpt("124m", 12, 12, 768, 50304, 4, 512),
            new Workload("llama60m", 8, 8, 4, 512, 1408, 32000, 4, 512));

    private static final Position HERE = Position.of("the benchmark");

    private static Workload gpt(String label, int layers, int heads, int width, int vocabulary, int batch, int length) {
        return new Workload(label, layers, heads, 0, width, 4 * width, vocabulary, batch, length);
    }

    /** The names there are. */
    public static List<String> labels() {
        return ALL.stream().map(Workload::label).toList();
    }

    /** The workload of that name. */
    public static Workload of(String label) {
        return ALL.stream()
                .filter(w -> w.label.equals(label))
                .findFirst()
                .orElseThrow(() -> QuernException.badInput(
                        "workload: found '%s', expected one of %s", label, String.join(", ", labels())));
    }

    /** The same with other sizes; 0 leaves one as it is. */
    public Workload sized(int newBatch, int newLength, int newVocabulary) {
        return new Workload(
                label,
                layers,
                heads,
                keyValueHeads,
                width,
                inner,
                newVocabulary > 0 ? newVocabulary : vocabulary,
                newBatch > 0 ? newBatch : batch,
                newLength > 0 ? newLength : length);
    }

    boolean isLlama() {
        return keyValueHeads > 0;
    }

    int tokens() {
        return batch * length;
    }

    ModelSpec spec() {
        Block block = isLlama()
                ? Block.empty(HERE)
                        .with("family", "llama")
                        .with("num_hidden_layers", layers)
                        .with("num_attention_heads", heads)
                        .with("num_key_value_heads", keyValueHeads)
                        .with("hidden_size", width)
                        .with("intermediate_size", inner)
                        .with("max_position_embeddings", length)
                        .with("vocab_size", vocabulary)
                : Block.empty(HERE)
                        .with("family", "gpt2")
                        .with("n_layer", layers)
                        .with("n_head", heads)
                        .with("n_embd", width)
                        .with("n_positions", length)
                        .with("vocab_size", vocabulary)
                        .with("resid_pdrop", 0.0)
                        .with("embd_pdrop", 0.0)
                        .with("attn_pdrop", 0.0);
        return ModelSpec.fromRecipe(block, vocabulary, SpecialTokens.NONE);
    }

    /**
     * What a step computes: 6·N·tokens, and 12·L·d·T·tokens for attention's scores and mixing as if nothing were masked. N
     * leaves out tables that are only looked up: positions, and an embedding that the head does not share.
     *
     * @param parameters all of the model
     */
    double flops(long parameters) {
        long lookedUp = (long) width * (isLlama() ? vocabulary : length);
        return 6.0 * (parameters - lookedUp) * tokens() + 12.0 * layers * width * length * tokens();
    }

    /** A linear map of a step. */
    private record LinearMap(String name, int in, int out, int rows, int count) {}

    /** The products of a step's linear maps, forward and backward; the head takes {@code headRows} rows at a time. */
    List<GemmCeiling.Product> products(int headRows) {
        int headWidth = width / heads;
        int mapped = isLlama() ? width + 2 * keyValueHeads * headWidth : 3 * width;
        int rows = Math.min(headRows, tokens());
        List<LinearMap> maps = List.of(
                new LinearMap("queries, keys, values", width, mapped, tokens(), layers),
                new LinearMap("attention output", width, width, tokens(), layers),
                new LinearMap("feed-forward up", width, isLlama() ? 2 * inner : inner, tokens(), layers),
                new LinearMap("feed-forward down", inner, width, tokens(), layers),
                new LinearMap("head", width, vocabulary, rows, Math.round((float) tokens() / rows)));
        List<GemmCeiling.Product> products = new ArrayList<>();
        for (LinearMap map : maps) {
            products.add(new GemmCeiling.Product(map.name, map.rows, map.out, map.in, map.count));
            products.add(new GemmCeiling.Product(map.name + ", input gradient", map.rows, map.in, map.out, map.count));
            products.add(new GemmCeiling.Product(map.name + ", weight gradient", map.out, map.in, map.rows, map.count));
        }
        return products;
    }
}
