package quern.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.models.LanguageModel;
import quern.nn.Network;
import quern.nn.Segment;
import quern.tensor.Autograd;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** A model's network with what its objective adds to it for training; the model's own where it adds nothing. */
final class ObjectiveNetwork implements AutoCloseable {
    /** How the names of its parameters begin in a checkpoint. */
    private static final String PREFIX = "objective/";

    private final Network network;
    private final List<Parameter> own;
    private final Runnable end;

    private ObjectiveNetwork(Network network, List<Parameter> own, Runnable end) {
        this.network = network;
        this.own = own;
        this.end = end;
    }

    /** The model's own. */
    static ObjectiveNetwork of(LanguageModel model) {
        return new ObjectiveNetwork(model.network(), List.of(), () -> {});
    }

    /** With what an objective adds. */
    static ObjectiveNetwork of(TrainedObjective objective, TrainedObjective.Place place) {
        TrainedObjective.Added added = objective.add(place);
        Network model = place.model().network();
        List<Segment> visits = new ArrayList<>(added.before());
        visits.addAll(model.visits());
        visits.addAll(added.behind());
        Network network = new Network(visits);
        List<Parameter> own = new ArrayList<>(network.parameters());
        own.removeAll(model.parameters());
        return new ObjectiveNetwork(network, List.copyOf(own), added.end());
    }

    /** The network to train. */
    Network network() {
        return network;
    }

    /** Copies on the CPU of the parameters that are no part of the model, for a checkpoint; they belong to the caller. */
    Map<String, Tensor> copies() {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            own.forEach(p -> copies.put(
                    PREFIX + p.name(), p.value().detach().to(Device.CPU).copy().keep()));
        }
        return copies;
    }

    /** Takes them back from what a checkpoint holds. */
    void load(Map<String, Tensor> saved) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            own.forEach(p -> p.value().copy_(saved.get(PREFIX + p.name())));
        }
    }

    /** What a checkpoint holds beside these. */
    static Map<String, Tensor> others(Map<String, Tensor> saved) {
        Map<String, Tensor> others = new LinkedHashMap<>(saved);
        others.keySet().removeIf(name -> name.startsWith(PREFIX));
        return others;
    }

    @Override
    public void close() {
        own.forEach(Parameter::close);
        end.run();
    }
}
