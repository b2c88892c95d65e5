package quern.models;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntBinaryOperator;
import quern.models.custom.Config;
import quern.models.part.NormPlacement;
import quern.recipe.Block;
import quern.tensor.Parameter;

/**
 * A composed model as the papers write it: loops over numbers in double precision, a token, a head and a key at a time, every
 * bias by distance in its explicit sum. Reads nothing of the model but its settings and parameters.
 */
final class SlowModel {
    private record Weight(float[] values, long[] shape) {
        double at(int row, int column) {
            return values[row * (int) shape[1] + column];
        }
    }

    private final Map<String, Weight> weights = new TreeMap<>();
    private final Config c;

    SlowModel(LanguageModel model) {
        this.c = (Config) model.config();
        for (Parameter p : model.parameters()) {
            weights.put(p.name(), new Weight(p.value().toFloats(), p.value().shape()));
        }
    }

    /** The logits of one row; {@code prefix} tokens see each other whole. */
    double[][] logits(long[] ids, int prefix) {
        boolean ahead = structure().equals("encoder");
        double[][] x = stack("model.", ids, null, (i, j) -> ahead || j <= i || j < prefix ? 1 : 0, c.numHiddenLayers());
        return ahead ? head(transformed(x), "cls.decoder") : head(x, "lm_head");
    }

    /** The logits of a decoder that reads {@code target} beside an encoder that reads {@code source}. */
    double[][] logits(long[] source, long[] target) {
        double[][] encoded = stack("model.encoder.", source, null, (i, j) -> 1, c.encoderLayers());
        return head(stack("model.decoder.", target, encoded, (i, j) -> j <= i ? 1 : 0, c.numHiddenLayers()), "lm_head");
    }

    /** The logits of a Perceiver IO that predicts hidden tokens. */
    double[][] perceiver(long[] ids) {
        double[][] z =
                reading("model.encode", rows("model.latents"), norm("model.input_norm", embedded("model.", ids)));
        for (int layer = 0; layer < c.numHiddenLayers(); layer++) {
            z = block("model.layers." + layer, "model.", z, null, (i, j) -> 1);
        }
        double[][] queries = Arrays.copyOf(rows("output_queries"), ids.length);
        double[][] y = reading("decode", queries, norm("output_norm", z));
        return head(norm("model.norm", y), "cls.decoder");
    }

    private double[][] reading(String name, double[][] x, double[][] read) {
        double[][] y = sum(
                x,
                attention(name + ".cross_attn", "", norm(name + ".cross_attention_layernorm", x), read, (i, j) -> 1));
        return sum(y, feedForward(name + ".mlp", norm(name + ".post_attention_layernorm", y)));
    }

    private double[][] rows(String table) {
        Weight w = weights.get(table + ".weight");
        double[][] rows = new double[(int) w.shape()[0]][(int) w.shape()[1]];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < rows[i].length; j++) {
                rows[i][j] = w.at(i, j);
            }
        }
        return rows;
    }

    private String structure() {
        return c.structure().text("type");
    }

    private double[][] stack(String prefix, long[] ids, double[][] encoded, IntBinaryOperator sees, int layers) {
        double[][] x = embedded(prefix, ids);
        for (int layer = 0; layer < layers; layer++) {
            Map<String, Object> pattern = c.attentionPattern()
                    .get(layer % c.attentionPattern().size())
                    .plain();
            x = block(
                    prefix + "layers." + layer,
                    prefix,
                    x,
                    encoded,
                    (i, j) -> sees.applyAsInt(i, j) == 1 && sees(pattern, i, j) ? 1 : 0);
        }
        return c.normPlacement() == NormPlacement.POST ? x : norm(prefix + "norm", x);
    }

    /** Whether a pattern as a recipe writes it lets query i see key j. */
    private static boolean sees(Map<String, Object> pattern, int i, int j) {
        int distance = Math.abs(i - j);
        return switch ((String) pattern.get("type")) {
            case "full" -> true;
            case "local" -> distance < number(pattern, "window");
            case "strided" -> distance < number(pattern, "stride") || distance % number(pattern, "stride") == 0;
            case "block" -> {
                int size = number(pattern, "block_size");
                int global = number(pattern, "num_global_blocks");
                yield Math.abs(i / size - j / size) <= number(pattern, "num_neighbours")
                        || i / size < global
                        || j / size < global;
            }
            case "local_global" ->
                distance < number(pattern, "window")
                        || i < number(pattern, "num_global_tokens")
                        || j < number(pattern, "num_global_tokens");
            default -> throw new IllegalArgumentException(pattern.toString());
        };
    }

    private static int number(Map<String, Object> pattern, String key) {
        return ((Number) pattern.get(key)).intValue();
    }

    private double[][] embedded(String prefix, long[] ids) {
        int d = c.hiddenSize();
        String position = type(c.position());
        double[][] x = new double[ids.length][d];
        for (int t = 0; t < ids.length; t++) {
            for (int i = 0; i < d; i++) {
                x[t][i] = weights.get("model.embed_tokens.weight").at((int) ids[t], i);
                if (position.equals("learned")) {
                    x[t][i] += weights.get(prefix + "embed_positions.weight").at(t, i);
                }
                if (position.equals("sinusoidal")) {
                    double angle = t / Math.pow(10000, (i - i % 2) / (double) d);
                    x[t][i] = x[t][i] * Math.sqrt(d) + (i % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
                }
            }
        }
        return c.embeddingNorm() ? norm(prefix + "embed_norm", x) : x;
    }

    private double[][] block(String name, String stack, double[][] x, double[][] encoded, IntBinaryOperator sees) {
        if (c.parallelResidual()) {
            double[][] a = attention(name + ".self_attn", stack, norm(name + ".input_layernorm", x), null, sees);
            double[][] f = feedForward(name + ".mlp", norm(name + ".post_attention_layernorm", x));
            return sum(x, sum(a, f));
        }
        boolean pre = c.normPlacement() == NormPlacement.PRE;
        x = step(
                x,
                h -> attention(name + ".self_attn", stack, h, null, sees),
                name + ".input_layernorm",
                name + ".post_attention_layernorm");
        if (encoded != null) {
            x = step(
                    x,
                    h -> attention(name + ".cross_attn", stack, h, encoded, (i, j) -> 1),
                    name + ".cross_attention_layernorm",
                    name + ".post_cross_attention_layernorm");
        }
        return step(
                x,
                h -> feedForward(name + ".mlp", h),
                name + (pre ? ".post_attention_layernorm" : ".pre_feedforward_layernorm"),
                name + ".post_feedforward_layernorm");
    }

    private interface Map2 {
        double[][] of(double[][] h);
    }

    private double[][] step(double[][] x, Map2 branch, String before, String after) {
        return switch (c.normPlacement()) {
            case PRE -> sum(x, branch.of(norm(before, x)));
            case POST -> norm(after, sum(x, branch.of(x)));
            case SANDWICH -> sum(x, norm(after, branch.of(norm(before, x))));
        };
    }

    private double[][] attention(String name, String stack, double[][] x, double[][] encoded, IntBinaryOperator sees) {
        boolean self = encoded == null;
        int heads = c.numAttentionHeads();
        int kv = c.keyValueHeads();
        int w = c.headWidth();
        double[][] source = self ? x : encoded;
        double[][] q = mapped(name + ".q_proj", x);
        double[][] k = mapped(name + ".k_proj", source);
        double[][] v = mapped(name + ".v_proj", source);
        double[][] out = new double[x.length][heads * w];
        String position = self ? type(c.position()) : "none";
        for (int h = 0; h < heads; h++) {
            int g = h / (heads / kv);
            double[][] qh = head(q, h, w, self ? name + ".q_norm" : null, position);
            double[][] kh = head(k, g, w, self ? name + ".k_norm" : null, position);
            double[][] vh = head(v, g, w, null, "none");
            for (int i = 0; i < x.length; i++) {
                double[] e = new double[source.length];
                double total = 0;
                for (int j = 0; j < source.length; j++) {
                    double score = 0;
                    for (int n = 0; n < w; n++) {
                        double key = kh[j][n];
                        if (position.equals("shaw")) {
                            key += weights.get(name + ".relative_k.weight").at(shawRow(i, j), n);
                        }
                        score += qh[i][n] * key;
                    }
                    score *= scale(w);
                    if (self && c.attnLogitSoftcapping().isPresent()) {
                        double cap = c.attnLogitSoftcapping().get();
                        score = cap * Math.tanh(score / cap);
                    }
                    if (position.equals("alibi")) {
                        score -= Math.pow(2, -8.0 * (h + 1) / heads) * Math.abs(i - j);
                    }
                    if (position.equals("relative")) {
                        score += weights.get(stack + "relative_attention_bias.weight")
                                .at(t5Bucket(j - i, stack), h);
                    }
                    e[j] = sees.applyAsInt(i, j) == 1 ? Math.exp(score) : 0;
                    total += e[j];
                }
                if (self && c.attentionSinks()) {
                    total += Math.exp(weights.get(name + ".sinks").values()[h]);
                }
                for (int j = 0; j < source.length; j++) {
                    for (int n = 0; n < w; n++) {
                        double value = vh[j][n];
                        if (position.equals("shaw")) {
                            value += weights.get(name + ".relative_v.weight").at(shawRow(i, j), n);
                        }
                        out[i][h * w + n] += e[j] / total * value;
                    }
                }
            }
        }
        return mapped(name + ".o_proj", out);
    }

    private double scale(int width) {
        return switch (type(c.initialization())) {
            case "t5" -> 1;
            case "mup" -> 1.0 / width;
            default -> 1 / Math.sqrt(width);
        };
    }

    private int shawRow(int i, int j) {
        int clip = ((Number) c.position().toMap().getOrDefault("max_relative_position", 16)).intValue();
        return Math.clamp(j - i, -clip, clip) + clip;
    }

    /** T5's rule, for 8 buckets and the largest distance 10. */
    private int t5Bucket(int distance, String stack) {
        boolean both = !stack.equals("model.decoder.") && !structure().equals("decoder");
        int buckets = both ? 4 : 8;
        int first = both && distance > 0 ? 4 : 0;
        int away = both ? Math.abs(distance) : Math.max(0, -distance);
        int exact = buckets / 2;
        if (away < exact) {
            return first + away;
        }
        double far = exact + Math.log(away / (double) exact) / Math.log(10.0 / exact) * (buckets - exact);
        return first + Math.min(buckets - 1, (int) far);
    }

    /** One head of every token, normed and turned. */
    private double[][] head(double[][] x, int head, int width, String norm, String position) {
        double[][] y = new double[x.length][width];
        for (int t = 0; t < x.length; t++) {
            System.arraycopy(x[t], head * width, y[t], 0, width);
        }
        if (norm != null && c.qkNorm()) {
            y = norm(norm, y);
        }
        if (position.equals("rotary")) {
            Map<String, Object> settings = c.position().toMap();
            double share = ((Number) settings.getOrDefault("partial_rotary_factor", 1)).doubleValue();
            boolean neighbours = "neighbours".equals(settings.get("pairing"));
            int turned = (int) (width * share);
            for (int t = 0; t < y.length; t++) {
                for (int p = 0; p < turned / 2; p++) {
                    int a = neighbours ? 2 * p : p;
                    int b = neighbours ? 2 * p + 1 : p + turned / 2;
                    double angle = t * Math.pow(10000, -2.0 * p / turned);
                    double u = y[t][a] * Math.cos(angle) - y[t][b] * Math.sin(angle);
                    y[t][b] = y[t][b] * Math.cos(angle) + y[t][a] * Math.sin(angle);
                    y[t][a] = u;
                }
            }
        }
        return y;
    }

    private double[][] feedForward(String name, double[][] x) {
        String kind = type(c.feedForward());
        DoubleUnaryOperator act = switch (kind) {
            case "gelu", "geglu" -> z -> 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)));
            case "relu" -> z -> Math.max(0, z);
            case "relu2" -> z -> Math.pow(Math.max(0, z), 2);
            case "swiglu" -> z -> z / (1 + Math.exp(-z));
            default -> throw new IllegalArgumentException(kind);
        };
        boolean gated = kind.endsWith("glu");
        double[][] up = mapped(name + ".up_proj", x);
        double[][] gate = gated ? mapped(name + ".gate_proj", x) : up;
        double[][] hidden = new double[x.length][up[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < hidden[t].length; i++) {
                hidden[t][i] = act.applyAsDouble(gate[t][i]) * (gated ? up[t][i] : 1);
            }
        }
        return mapped(name + ".down_proj", hidden);
    }

    private double[][] transformed(double[][] x) {
        double[][] y = mapped("cls.transform.dense", x);
        boolean tanh = List.of("gelu", "geglu").contains(type(c.feedForward()));
        for (double[] row : y) {
            for (int i = 0; i < row.length; i++) {
                double z = row[i];
                row[i] = tanh
                        ? 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)))
                        : 0.5 * z * (1 + erf(z / Math.sqrt(2)));
            }
        }
        return norm("cls.transform.norm", y);
    }

    /** By its series, which is quick enough for the small numbers here. */
    private static double erf(double z) {
        double term = z;
        double sum = z;
        for (int n = 1; n < 200; n++) {
            term *= -z * z / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }

    private double[][] head(double[][] x, String name) {
        Weight matrix = weights.get(c.tieWordEmbeddings() ? "model.embed_tokens.weight" : name + ".weight");
        Weight bias = weights.get("cls.bias");
        double factor = 1;
        if (type(c.initialization()).equals("t5") && c.tieWordEmbeddings()) {
            factor = 1 / Math.sqrt(c.hiddenSize());
        } else if (type(c.initialization()).equals("mup")) {
            factor = 8.0 / c.hiddenSize();
        }
        double[][] logits = product(matrix, x);
        for (double[] row : logits) {
            for (int i = 0; i < row.length; i++) {
                row[i] = (row[i] + (bias == null ? 0 : bias.values()[i])) * factor;
                if (c.finalLogitSoftcapping().isPresent()) {
                    double cap = c.finalLogitSoftcapping().get();
                    row[i] = cap * Math.tanh(row[i] / cap);
                }
            }
        }
        return logits;
    }

    private double[][] norm(String name, double[][] x) {
        boolean layer = type(c.norm()).equals("layer_norm");
        float[] weight = weights.get(name + ".weight").values();
        Weight bias = weights.get(name + ".bias");
        List<double[]> rows = new ArrayList<>();
        for (double[] row : x) {
            int d = row.length;
            double mean = 0;
            for (double z : row) {
                mean += layer ? z / d : 0;
            }
            double variance = 0;
            for (double z : row) {
                variance += (z - mean) * (z - mean) / d;
            }
            double[] y = new double[d];
            for (int i = 0; i < d; i++) {
                y[i] = (row[i] - mean) / Math.sqrt(variance + (layer ? 1e-5 : 1e-6)) * weight[i]
                        + (bias == null ? 0 : bias.values()[i]);
            }
            rows.add(y);
        }
        return rows.toArray(double[][]::new);
    }

    private double[][] mapped(String name, double[][] x) {
        double[][] y = product(weights.get(name + ".weight"), x);
        Weight bias = weights.get(name + ".bias");
        if (bias != null) {
            for (double[] row : y) {
                for (int i = 0; i < row.length; i++) {
                    row[i] += bias.values()[i];
                }
            }
        }
        return y;
    }

    private static double[][] product(Weight matrix, double[][] x) {
        int out = (int) matrix.shape()[0];
        double[][] y = new double[x.length][out];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < out; o++) {
                for (int i = 0; i < x[t].length; i++) {
                    y[t][o] += matrix.at(o, i) * x[t][i];
                }
            }
        }
        return y;
    }

    private static double[][] sum(double[][] a, double[][] b) {
        double[][] y = new double[a.length][a[0].length];
        for (int t = 0; t < y.length; t++) {
            for (int i = 0; i < y[t].length; i++) {
                y[t][i] = a[t][i] + b[t][i];
            }
        }
        return y;
    }

    private static String type(Block part) {
        return part.text("type");
    }
}
