package quern.train;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import quern.nn.Network;
import quern.nn.Segment;
import quern.nn.TransformerBlock;
import quern.optim.ParameterRole;
import quern.recipe.LayerLrDecay;
import quern.tensor.Parameter;

/**
 * Where a network's parameters stand: how deep, and in what role. With L blocks what comes before the first is layer 0,
 * block i (from 1) is layer i, and what comes after the last is layer L+1; between two blocks counts as the one before. A
 * parameter of several segments stands where it is used first.
 */
final class NetworkLayers {
    private final Map<String, Integer> layers = new HashMap<>();
    private final Set<String> maps;
    private final Set<Segment> behind = new LinkedHashSet<>();
    private final int blocks;

    NetworkLayers(Network network) {
        Set<Segment> order = new LinkedHashSet<>(network.visits());
        blocks = (int) order.stream().filter(TransformerBlock.class::isInstance).count();
        maps = order.stream()
                .filter(TransformerBlock.class::isInstance)
                .flatMap(NetworkLayers::maps)
                .map(Parameter::name)
                .collect(Collectors.toSet());
        int before = 0;
        for (Segment segment : order) {
            boolean block = segment instanceof TransformerBlock;
            before += block ? 1 : 0;
            int layer = !block && before == blocks ? blocks + 1 : before;
            if (layer > blocks) {
                behind.add(segment);
            }
            segment.parameters().forEach(p -> layers.putIfAbsent(p.name(), layer));
        }
    }

    /** The matrices of a block's slots and experts; a table by distance or a head's own biases have two dimensions too. */
    private static Stream<Parameter> maps(Segment block) {
        Stream<Parameter> slots = block.linears().stream().flatMap(slot -> slot.parameters().stream());
        Stream<Parameter> stacks =
                block.parameters().stream().filter(p -> p.value().dim() > 2);
        return Stream.concat(slots, stacks);
    }

    /** The layer of a parameter, 0 to L+1. */
    int layer(Parameter parameter) {
        return layers.get(parameter.name());
    }

    /** The parameters of linear layers behind the last block that nothing before uses: the head, unless it is tied. */
    Set<String> head() {
        return behind.stream()
                .flatMap(segment -> segment.linears().stream())
                .flatMap(linear -> linear.parameters().stream())
                .filter(p -> layer(p) == blocks + 1)
                .map(Parameter::name)
                .collect(Collectors.toSet());
    }

    /** What a parameter's rate is multiplied by. */
    double factor(Parameter parameter, LayerLrDecay decay) {
        int layer = layer(parameter);
        int distance = decay.toward() == LayerLrDecay.Toward.INPUT ? blocks + 1 - layer : layer;
        return Math.pow(decay.factor(), distance);
    }

    /** Maps inside blocks, the other matrices, vectors. */
    ParameterRole role(Parameter parameter) {
        if (parameter.value().dim() < 2) {
            return ParameterRole.VECTOR;
        }
        return maps.contains(parameter.name()) ? ParameterRole.HIDDEN_MATRIX : ParameterRole.EMBEDDING;
    }
}
