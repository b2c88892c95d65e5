package quern.models.mixtral;

import java.util.ArrayList;
import java.util.List;
import quern.models.RotaryDecoderKeys;

/**
 * Mixtral's names: in files the feed-forward part is {@code block_sparse_moe}, and each expert has matrices of its own, w1
 * (gate), w3 (up) and w2 (down).
 */
final class HfKeys extends RotaryDecoderKeys {
    @Override
    public String onDisk(String name) {
        return name.replace(".mlp.", ".block_sparse_moe.");
    }

    @Override
    public List<Part> parts(String name, long... shape) {
        int at = name.indexOf(".mlp.experts.");
        if (at < 0) {
            return List.of();
        }
        boolean gateUp = name.endsWith(".gate_up_proj");
        List<Part> parts = new ArrayList<>();
        for (long e = 0; e < shape[0]; e++) {
            String expert = name.substring(0, at) + ".block_sparse_moe.experts." + e;
            if (gateUp) {
                parts.add(new Part(expert + ".w1.weight", shape[1] / 2, shape[2]));
                parts.add(new Part(expert + ".w3.weight", shape[1] / 2, shape[2]));
            } else {
                parts.add(new Part(expert + ".w2.weight", shape[1], shape[2]));
            }
        }
        return parts;
    }
}
