package quern.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import quern.nn.Network;
import quern.optim.CompositeOptimizer;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.recipe.Block;
import quern.recipe.ParameterGroupSettings;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.Suggestion;
import quern.recipe.Techniques;
import quern.tensor.Parameter;

/**
 * The optimizer that a recipe describes: its {@code optim}, its {@code parameter_groups}, its {@code layer_lr_decay}. A
 * parameter belongs to the first group whose pattern is found in its name, and to the recipe's own settings where none is.
 * Vectors (biases, norms) are decayed only by a group that says so. A factor that the model's parametrization asks for ({@link
 * Parameter#rateFactor}) comes on top of a group's. Groups with the same optimizer and the same settings
 * of it share one.
 */
final class RecipeOptimizer {
    /** One optimizer with its settings; two that are equal are one. */
    private record Member(OptimizerTechnique technique, Record config, OptimizerSettings settings) {}

    /** A group of the recipe, or what is left to the recipe itself. */
    private record Group(
            Optional<ParameterGroupSettings> settings, Optional<Block> block, Member member, double factor) {
        boolean matches(Parameter parameter) {
            return settings.isEmpty() || settings.get().matches(parameter.name());
        }

        OptionalDouble decay(ParameterRole role) {
            Optional<Double> own = settings.flatMap(ParameterGroupSettings::weightDecay);
            if (own.isPresent()) {
                return OptionalDouble.of(own.get());
            }
            return role == ParameterRole.VECTOR ? OptionalDouble.of(0) : OptionalDouble.empty();
        }
    }

    /** What parameters of one group of an optimizer have in common. */
    private record Likeness(double factor, OptionalDouble decay, ParameterRole role) {}

    private final Block block;
    private final Recipe recipe;
    private final List<Group> groups = new ArrayList<>();

    /** Finds the optimizers and binds their settings. */
    RecipeOptimizer(Block block, Recipe recipe) {
        this.block = block;
        this.recipe = recipe;
        OptimizerTechnique technique = Techniques.find(
                OptimizerTechnique.class,
                OptimizerTechnique.KIND,
                recipe.optim(),
                block.position(block.has("optim") ? "optim" : "adafactor"));
        Member own = new Member(
                technique,
                recipe.optimArgs().bind(technique.config()),
                new OptimizerSettings(
                        recipe.weightDecay(), recipe.adamBeta1(), recipe.adamBeta2(), recipe.adamEpsilon()));
        List<ParameterGroupSettings> settings = recipe.parameterGroups();
        List<Block> blocks = settings.isEmpty() ? List.of() : block.blocks("parameter_groups");
        for (int i = 0; i < settings.size(); i++) {
            groups.add(group(settings.get(i), blocks.get(i), own));
        }
        groups.add(new Group(Optional.empty(), Optional.empty(), own, 1));
        refuseUnread(block, technique, groups.stream().map(g -> g.member.technique));
        checkOwnRate();
    }

    /** Refuses settings in {@code at}, which chooses {@code technique}, that none of the readers reads. */
    private static void refuseUnread(Block at, OptimizerTechnique technique, Stream<OptimizerTechnique> readers) {
        Set<String> read = readers.flatMap(r -> r.settings().stream()).collect(Collectors.toSet());
        for (String key : OptimizerSettings.KEYS) {
            if (at.has(key) && !read.contains(key)) {
                throw QuernException.badInput(
                        "%s: %s has no effect on optim: %s; leave it out", at.position(key), key, technique.id());
            }
        }
    }

    private Group group(ParameterGroupSettings g, Block at, Member own) {
        OptimizerTechnique technique = own.technique;
        Record config = own.config;
        if (g.optim().isPresent()) {
            technique = Techniques.find(
                    OptimizerTechnique.class, OptimizerTechnique.KIND, g.optim().get(), at.position("optim"));
            if (technique != own.technique) {
                config = Block.empty(at.position("optim")).bind(technique.config());
            }
        }
        if (g.optimArgs().isPresent()) {
            config = g.optimArgs().get().bind(technique.config());
        }
        refuseUnread(at, technique, Stream.of(technique));
        OptimizerSettings settings = new OptimizerSettings(
                recipe.weightDecay(),
                g.adamBeta1().orElse(recipe.adamBeta1()),
                g.adamBeta2().orElse(recipe.adamBeta2()),
                g.adamEpsilon().orElse(recipe.adamEpsilon()));
        Member member = new Member(technique, config, settings);
        boolean choosesNothing = member.equals(own)
                && g.learningRate().isEmpty()
                && g.learningRateFactor().isEmpty()
                && g.weightDecay().isEmpty();
        if (choosesNothing) {
            String key = at.has("optim") ? "optim" : at.has("optim_args") ? "optim_args" : "pattern";
            throw QuernException.badInput(
                    "%s: %s: the group is updated as the recipe says for all parameters anyway; leave it out",
                    at.position(key), key);
        }
        return new Group(Optional.of(g), Optional.of(at), member, factor(g, at));
    }

    private double factor(ParameterGroupSettings g, Block at) {
        if (g.learningRate().isEmpty()) {
            return g.learningRateFactor().orElse(1.0);
        }
        if (recipe.learningRate() == 0) {
            throw QuernException.badInput(
                    "%s: learning_rate: a group's rate moves in proportion to the recipe's, which is 0; raise that one",
                    at.position("learning_rate"));
        }
        return g.learningRate().get() / recipe.learningRate();
    }

    private void checkOwnRate() {
        for (Group group : groups) {
            Optional<OptimizerTechnique.OwnRate> own = group.member.technique.ownRate(group.member.config);
            if (own.isPresent() && group.block.isPresent()) {
                Block at = group.block.get();
                String key = at.has("optim_args") ? "optim_args" : at.has("optim") ? "optim" : "pattern";
                throw QuernException.badInput(
                        "%s: a group's rate follows the recipe's schedule, but %s sets its own; set the group's optim_args.%s: false",
                        at.position(key), group.member.technique.id(), own.get().key());
            }
        }
        ownRate().ifPresent(own -> {
            for (String key : List.of("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps")) {
                refuseBesideOwnRate(block, key, own);
            }
            groups.forEach(g -> g.block.ifPresent(at -> refuseBesideOwnRate(at, "learning_rate", own)));
        });
    }

    private void refuseBesideOwnRate(Block at, String key, OptimizerTechnique.OwnRate own) {
        if (at.has(key)) {
            throw QuernException.badInput(
                    "%s: %s has no effect on optim: %s, which sets its own rate; leave it out or set optim_args.%s: false",
                    at.position(key), key, technique().id(), own.key());
        }
    }

    /** The rates that the recipe's optimizer sets itself, if it does. */
    Optional<OptimizerTechnique.OwnRate> ownRate() {
        Member own = groups.getLast().member;
        return own.technique.ownRate(own.config);
    }

    /** The optimizer of the recipe itself. */
    OptimizerTechnique technique() {
        return groups.getLast().member.technique;
    }

    /** Refuses groups that no parameter of the network belongs to, and an optimizer that none is left for. */
    void check(Network network) {
        share(network);
    }

    /** The optimizer over the network's parameters. */
    Optimizer create(Network network) {
        Map<Member, Map<Likeness, List<Parameter>>> shares = share(network);
        List<Parameter> frozen =
                network.parameters().stream().filter(p -> !p.isTrainable()).toList();
        List<Optimizer> made = new ArrayList<>();
        boolean done = false;
        try {
            for (Map.Entry<Member, Map<Likeness, List<Parameter>>> share : shares.entrySet()) {
                Member member = share.getKey();
                List<ParameterGroup> parts = new ArrayList<>();
                share.getValue()
                        .forEach((likeness, parameters) -> parts.add(new ParameterGroup(
                                parameters, likeness.factor, likeness.decay, Optional.of(likeness.role))));
                if (made.isEmpty() && !frozen.isEmpty()) {
                    parts.add(ParameterGroup.of(frozen));
                }
                made.add(member.technique.create(parts, member.settings, member.config));
            }
            Optimizer all = made.size() == 1 ? made.getFirst() : new CompositeOptimizer(made);
            done = true;
            return all;
        } finally {
            if (!done) {
                made.forEach(Optimizer::close);
            }
        }
    }

    private Map<Member, Map<Likeness, List<Parameter>>> share(Network network) {
        NetworkLayers layers = new NetworkLayers(network);
        List<Parameter> trainable =
                network.parameters().stream().filter(Parameter::isTrainable).toList();
        Map<Member, Map<Likeness, List<Parameter>>> shares = new LinkedHashMap<>();
        Set<Group> used = new HashSet<>();
        // The recipe's own optimizer comes first, whichever parameter does.
        shares.put(groups.getLast().member, new LinkedHashMap<>());
        for (Parameter parameter : trainable) {
            Group group = groups.stream()
                    .filter(g -> g.matches(parameter))
                    .findFirst()
                    .orElseThrow();
            used.add(group);
            refuseRateFactor(parameter, group);
            ParameterRole role = layers.role(parameter);
            double depth = recipe.layerLrDecay()
                    .map(decay -> layers.factor(parameter, decay))
                    .orElse(1.0);
            shares.computeIfAbsent(group.member, m -> new LinkedHashMap<>())
                    .computeIfAbsent(
                            new Likeness(group.factor * depth * parameter.rateFactor(), group.decay(role), role),
                            l -> new ArrayList<>())
                    .add(parameter);
        }
        for (Group group : groups) {
            if (!used.contains(group) && group.block.isPresent()) {
                throw unused(group, trainable);
            }
        }
        boolean idle = shares.get(groups.getLast().member).isEmpty();
        if (idle && block.has("optim")) {
            throw QuernException.badInput(
                    "%s: optim: has no effect, since parameter_groups give every parameter another optimizer; leave it out",
                    block.position("optim"));
        }
        shares.values().removeIf(Map::isEmpty);
        return shares;
    }

    /** A parametrization's factors are those of optimizers whose steps don't grow with the gradient. */
    private void refuseRateFactor(Parameter parameter, Group group) {
        if (parameter.rateFactor() != 1 && group.member.technique.id().equals("sgd")) {
            throw QuernException.badInput(
                    "%s: optim: sgd: the model's initialization multiplies rates by Adam's rule ('%s' by %s), which is not gradient descent's; choose adamw or another initialization",
                    group.block.orElse(block).position("optim"), parameter.name(), parameter.rateFactor());
        }
    }

    private static QuernException unused(Group group, List<Parameter> trainable) {
        ParameterGroupSettings settings = group.settings.orElseThrow();
        String place = group.block.orElseThrow().position("pattern") + ": pattern: '" + settings.pattern() + "'";
        List<String> names = trainable.stream().map(Parameter::name).toList();
        Optional<String> match = names.stream().filter(settings::matches).findFirst();
        if (match.isPresent()) {
            return QuernException.badInput(
                    "%s matches only parameters that earlier groups have, such as '%s'; the first group that matches counts, so put it before them or leave it out",
                    place, match.get());
        }
        return QuernException.badInput(
                "%s matches none of the %d parameters; near it are %s", place, names.size(), near(settings, names));
    }

    /** The names that share most words with a pattern. */
    private static String near(ParameterGroupSettings settings, List<String> names) {
        List<String> words = Arrays.stream(settings.pattern().split("[^A-Za-z0-9_]+"))
                .filter(word -> !word.isEmpty())
                .toList();
        Comparator<String> most = Comparator.comparingLong(name -> shared(words, name));
        return names.stream().sorted(most.reversed()).limit(3).collect(Collectors.joining(", "));
    }

    private static long shared(List<String> words, String name) {
        List<String> parts = List.of(name.split("\\."));
        return words.stream()
                .filter(word -> Suggestion.nearest(word, parts).isPresent())
                .count();
    }
}
