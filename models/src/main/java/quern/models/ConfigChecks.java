package quern.models;

import java.util.Optional;
import java.util.OptionalLong;

/** Rules that the settings of many families share. Each refuses in the form that names the key's place. */
public final class ConfigChecks {
    private ConfigChecks() {}

    /** Heads must divide the width they split. */
    public static void heads(String key, int heads, String widthKey, int width) {
        if (width % heads != 0) {
            throw new IllegalArgumentException(
                    "%s: %d heads don't divide %s %d; choose a divisor".formatted(key, heads, widthKey, width));
        }
    }

    /** Every key-value head serves as many query heads. */
    public static void keyValueHeads(String key, int keyValueHeads, String headsKey, int heads) {
        if (heads % keyValueHeads != 0) {
            throw new IllegalArgumentException(
                    "%s: %d doesn't divide %s %d; choose a divisor".formatted(key, keyValueHeads, headsKey, heads));
        }
    }

    /** Rotary positions turn pairs of the dimensions a head has. */
    public static void rotaryWidth(String key, int rotaryWidth, int headWidth) {
        if (rotaryWidth < 2 || rotaryWidth % 2 != 0 || rotaryWidth > headWidth) {
            throw new IllegalArgumentException(
                    "%s: %d of %d dimensions of a head turn; rotary positions need an even number from 2 to the width"
                            .formatted(key, rotaryWidth, headWidth));
        }
    }

    /** The padding token is one of the vocabulary; negative ids count from its end. */
    public static void padding(Optional<Integer> id, int vocabSize) {
        if (id.isPresent() && (id.get() >= vocabSize || id.get() < -vocabSize)) {
            throw new IllegalArgumentException(
                    "pad_token_id: %d is outside the vocabulary of %d".formatted(id.get(), vocabSize));
        }
    }

    /** The row of the embedding that belongs to the padding token. */
    public static OptionalLong paddingRow(Optional<Integer> id, int vocabSize) {
        return id.map(i -> OptionalLong.of(i < 0 ? i + vocabSize : i)).orElse(OptionalLong.empty());
    }
}
