package quern.train;

import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.models.ModelSpec;
import quern.models.Task;
import quern.nn.Network;
import quern.nn.Regularization;
import quern.nn.Regularization.Place;
import quern.optim.AdaptiveClipping;
import quern.optim.GradientClipping;
import quern.recipe.Block;
import quern.recipe.DropoutRates;
import quern.recipe.LayerLrDecay;
import quern.recipe.QuernException;
import quern.recipe.Recipe;

/** What a recipe asks of {@link Regularization} and {@link GradientClipping}, checked against the model. */
final class RecipeRegularization {
    /** Keys of models' own settings that are about other places than a recipe's dropout. */
    private static final Set<String> ELSEWHERE = Set.of("classifier_dropout", "summary_first_dropout");

    private RecipeRegularization() {}

    /**
     * What training passes add to the model.
     *
     * @param network the model's, or its outline
     */
    static Regularization of(Block block, Recipe recipe, ModelSpec spec, Network network) {
        Set<Regularization.Kind> possible = network.regularizers();
        Map<Place, Double> rates = new EnumMap<>(Place.class);
        recipe.dropout().ifPresent(d -> rates.putAll(rates(block, recipe, d, possible, spec)));
        Regularization asked = new Regularization(
                rates,
                recipe.labelSmoothingFactor(),
                recipe.zLoss(),
                recipe.neftuneNoiseAlpha().orElse(0.0));
        Map<Regularization.Kind, String> keys = Map.of(
                Regularization.Kind.LABEL_SMOOTHING, "label_smoothing_factor",
                Regularization.Kind.Z_LOSS, "z_loss",
                Regularization.Kind.EMBEDDING_NOISE, "neftune_noise_alpha");
        asked.kinds().stream()
                .filter(kind -> keys.containsKey(kind) && !possible.contains(kind))
                .sorted()
                .findFirst()
                .ifPresent(kind -> {
                    throw noEffect(block, keys.get(kind), keys.get(kind), spec);
                });
        return asked;
    }

    private static Map<Place, Double> rates(
            Block block, Recipe recipe, DropoutRates asked, Set<Regularization.Kind> possible, ModelSpec spec) {
        refuseOwnRates(recipe.model());
        Map<Place, Optional<Double>> own = Map.of(
                Place.EMBEDDING, asked.embedding(),
                Place.ATTENTION, asked.attention(),
                Place.RESIDUAL, asked.residual(),
                Place.FEED_FORWARD, asked.feedForward());
        Map<Place, Double> rates = new EnumMap<>(Place.class);
        for (Place place : Place.values()) {
            Optional<Double> rate = own.get(place);
            if (rate.isPresent() && !possible.contains(place.kind())) {
                throw noEffect(block, "dropout", "dropout: " + place.name().toLowerCase(Locale.ROOT), spec);
            }
            if (possible.contains(place.kind())) {
                rate.or(asked::all).ifPresent(r -> rates.put(place, r));
            }
        }
        if (rates.isEmpty()) {
            throw noEffect(block, "dropout", "dropout", spec);
        }
        return rates;
    }

    private static void refuseOwnRates(Block model) {
        Map<String, Object> values = model.toMap();
        for (String key : model.keys()) {
            boolean drops = (key.contains("dropout") || key.endsWith("pdrop")) && !ELSEWHERE.contains(key);
            if (drops) {
                throw QuernException.badInput(
                        "%s: model: %s is given beside dropout, which stands in for it; leave one of them out",
                        model.position(key), key);
            }
            if (values.get(key) instanceof Map<?, ?>) {
                refuseOwnRates(model.block(key));
            }
        }
    }

    private static QuernException noEffect(Block block, String key, String what, ModelSpec spec) {
        return QuernException.badInput(
                "%s: %s: has no effect on %s, which has no part for it; leave it out",
                block.position(key), what, spec.architecture().name());
    }

    /** Refuses rates by layer for a model whose layers have no one order. */
    static void checkLayers(Block block, Recipe recipe, ModelSpec spec) {
        Optional<LayerLrDecay> decay = recipe.layerLrDecay();
        if (decay.isPresent() && spec.task() == Task.CONTRASTIVE) {
            throw QuernException.badInput(
                    "%s: layer_lr_decay: %s has two towers side by side, so its layers have no one order; use parameter_groups",
                    block.position("layer_lr_decay"), spec.architecture().name());
        }
    }

    /** How the gradients of a network are clipped. */
    static GradientClipping clipping(Recipe recipe, Network network) {
        Optional<AdaptiveClipping> adaptive = recipe.agc()
                .map(agc -> new AdaptiveClipping(
                        agc.clipFactor(), agc.eps(), agc.excludeHead() ? new NetworkLayers(network).head() : Set.of()));
        return new GradientClipping(recipe.maxGradNorm(), recipe.maxGradValue(), adaptive);
    }
}
