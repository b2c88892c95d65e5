package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.nn.Positions;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.Scope;

/** Frequencies against transformers 5.23's ROPE_INIT_FUNCTIONS for heads 16 wide. */
class RopeParametersTest {
    /** A power of fp32 may round differently between libraries by an ulp or two. */
    private static final double RELATIVE = 4e-7;

    private static final int WIDTH = 16;

    @Test
    void linear() {
        same(
                rope("linear", 1000.0, Map.of("factor", 4.0)).frequencies(WIDTH, 64),
                64,
                1.0,
                0.25,
                0.105424128,
                0.0444569848,
                0.0187473539,
                0.00790569466,
                0.00333380373,
                0.00140585331,
                0.000592843455);
    }

    @Test
    void dynamicStretchesOnlyBeyondTheContext() {
        Positions.RotaryFrequencies f =
                rope("dynamic", 10000.0, Map.of("factor", 2.0)).frequencies(WIDTH, 16);
        double[] plain = {
            1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786
        };
        same(f, 3, 1.0, plain);
        same(f, 16, 1.0, plain);
        same(
                f,
                24,
                1.0,
                1.0,
                0.286414951,
                0.0820335299,
                0.0234956332,
                0.0067295013,
                0.00192742981,
                0.000552044716,
                0.000158113879);
    }

    @Test
    void yarn() {
        double[] ramp = {
            1.0, 0.237170815, 0.049999997, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05
        };
        Map<String, Object> base = Map.of("factor", 4.0, "original_max_position_embeddings", 64);
        same(rope("yarn", 10000.0, base).frequencies(WIDTH, 256), 256, 1.138629436111989, ramp);
        same(rope("yarn", 10000.0, with(base, "attention_factor", 1.25)).frequencies(WIDTH, 256), 256, 1.25, ramp);
        Map<String, Object> all = with(base, "beta_fast", 8.0);
        all.putAll(Map.of("beta_slow", 2.0, "truncate", false, "mscale", 0.7, "mscale_all_dim", 1.2));
        same(
                rope("yarn", 10000.0, all).frequencies(WIDTH, 256),
                256,
                0.9405715251010841,
                1.0,
                0.160589159,
                0.0250000004,
                0.00790569466,
                0.00249999994,
                0.000790569466,
                0.000250000012,
                7.90569466e-05);
    }

    @Test
    void llama3() {
        Map<String, Object> settings = Map.of(
                "factor", 8.0, "low_freq_factor", 1.0, "high_freq_factor", 4.0, "original_max_position_embeddings", 64);
        same(
                rope("llama3", 10000.0, settings).frequencies(WIDTH, 256),
                256,
                1.0,
                1.0,
                0.244384587,
                0.0130422562,
                0.00395284733,
                0.00124999997,
                0.000395284733,
                0.000125000006,
                3.95284733e-05);
    }

    @Test
    void olderSpellingsBecomeRopeParameters() {
        Map<String, Object> old = new LinkedHashMap<>();
        old.put("rope_theta", 500.0);
        old.put("rope_scaling", Map.of("type", "linear", "factor", 2.0));
        RopeParameters.normalise(old, "config.json");
        assertEquals(Map.of("rope_parameters", Map.of("rope_type", "linear", "factor", 2.0, "rope_theta", 500.0)), old);
        Map<String, Object> none = new LinkedHashMap<>();
        none.put("rope_scaling", null);
        RopeParameters.normalise(none, "config.json");
        assertTrue(none.isEmpty());
        Map<String, Object> both = new LinkedHashMap<>();
        both.put("rope_scaling", Map.of("rope_type", "linear", "factor", 2.0));
        both.put("rope_parameters", Map.of("rope_type", "default"));
        assertThrows(QuernException.class, () -> RopeParameters.normalise(both, "config.json"));
    }

    @Test
    void whatIsMissingOrUnknownIsNamed() {
        assertEquals(
                "here: rope_type: unknown type 'yarm' (did you mean 'yarn'?); known: default, dynamic, linear, llama3, longrope, yarn",
                message("yarm", Map.of()));
        assertEquals("here: factor: missing; rope_type dynamic needs it", message("dynamic", Map.of()));
        assertEquals(
                "here: high_freq_factor: missing; rope_type llama3 needs it",
                message("llama3", Map.of("factor", 2.0, "low_freq_factor", 1.0)));
        assertTrue(message("default", Map.of("partial_rotary_factor", 1.5)).startsWith("here: partial_rotary_factor:"));
        assertTrue(message("default", Map.of("fator", 0.5)).contains("did you mean 'factor'?"));
    }

    private static String message(String type, Map<String, Object> settings) {
        return assertThrows(QuernException.class, () -> rope(type, 10000.0, settings))
                .getMessage();
    }

    private static Map<String, Object> with(Map<String, Object> base, String key, Object value) {
        Map<String, Object> all = new LinkedHashMap<>(base);
        all.put(key, value);
        return all;
    }

    private static RopeParameters rope(String type, double theta, Map<String, Object> settings) {
        Block block = Block.empty(Position.of("here")).with("rope_type", type).with("rope_theta", theta);
        for (Map.Entry<String, Object> e : settings.entrySet()) {
            block = block.with(e.getKey(), e.getValue());
        }
        return block.bind(RopeParameters.class);
    }

    private static void same(Positions.RotaryFrequencies found, long length, double scaling, double... expected) {
        assertEquals(scaling, found.attentionScaling(), 1e-12);
        try (Scope scope = Scope.open()) {
            float[] values = found.inverseFrequencies(length).toFloats();
            assertEquals(expected.length, values.length);
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i], values[i], RELATIVE * expected[i], "pair " + i);
            }
        }
    }
}
