package quern.models;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The ids of a tokenizer's special tokens that a model's {@code config.json} states.
 *
 * @param bos begins a text
 * @param eos ends a text
 * @param pad fills a batch
 */
public record SpecialTokens(OptionalInt bos, OptionalInt eos, OptionalInt pad) {
    /** No special tokens. */
    public static final SpecialTokens NONE =
            new SpecialTokens(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty());

    /** The keys of {@code config.json}, null where there is no such token. */
    Map<String, Object> fields() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("bos_token_id", bos.isPresent() ? bos.getAsInt() : null);
        fields.put("eos_token_id", eos.isPresent() ? eos.getAsInt() : null);
        fields.put("pad_token_id", pad.isPresent() ? pad.getAsInt() : null);
        return fields;
    }
}
