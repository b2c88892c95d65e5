package quern.models.clip;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import quern.models.ModelConfig;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * CLIP's settings with the names and defaults of transformers' {@code CLIPConfig}.
 *
 * @param textConfig a {@link TextConfig}; keys that it doesn't know are kept for the file
 * @param visionConfig a {@link VisionConfig}, likewise
 * @param projectionDim width in which texts and images are compared
 * @param logitScaleInitValue the new logit scale's logarithm
 * @param initializerFactor a factor on the standard deviations of new projections
 */
public record Config(
        @Doc("The text part.") @Default("{}") Block textConfig,
        @Doc("The image part.") @Default("{}") Block visionConfig,

        @Doc("The width in which texts and images are compared.") @Default("512") @Range(min = 1)
        int projectionDim,

        @Doc("The logarithm of the new logit scale.") @Default("2.6592")
        double logitScaleInitValue,

        @Doc("A factor on the standard deviations of new projections.") @Default("1") @Range(min = 0)
        double initializerFactor)
        implements ModelConfig {

    /** Checks both parts. */
    public Config {
        try {
            known(textConfig, TextConfig.class);
            known(visionConfig, VisionConfig.class);
        } catch (QuernException wrong) {
            throw new IllegalArgumentException(wrong.getMessage(), wrong);
        }
    }

    TextConfig text() {
        return known(textConfig, TextConfig.class);
    }

    VisionConfig vision() {
        return known(visionConfig, VisionConfig.class);
    }

    private static <R extends Record> R known(Block block, Class<R> type) {
        Block rest = block;
        Set<String> keys = keys(type);
        for (String key : block.keys()) {
            if (!keys.contains(key) || block.toMap().get(key) == null) {
                rest = rest.without(key);
            }
        }
        return rest.bind(type);
    }

    /** The keys of a part's settings. */
    static Set<String> keys(Class<? extends Record> type) {
        return Arrays.stream(type.getRecordComponents())
                .map(c -> c.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT))
                .collect(Collectors.toSet());
    }

    @Override
    public int vocabSize() {
        return text().vocabSize();
    }

    @Override
    public int width() {
        return text().hiddenSize();
    }

    @Override
    public int layers() {
        return text().numHiddenLayers();
    }

    @Override
    public int contextLength() {
        return text().maxPositionEmbeddings();
    }
}
