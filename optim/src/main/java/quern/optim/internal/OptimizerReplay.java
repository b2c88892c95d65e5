package quern.optim.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.Schedule;
import quern.recipe.Block;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFile;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import tools.jackson.databind.JsonNode;

/**
 * Replays cases of kind {@code optimizer}: feeds the recorded gradients and compares every parameter after every step.
 * The error of a tensor is max |a-b| / max(1, max |b|).
 */
public final class OptimizerReplay implements GoldenReplay {
    private static final String LEARNING_RATE = "learning_rate";
    private static final String OPTIM_ARGS = "optim_args";

    @Override
    public String kind() {
        return "optimizer";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        CaseJson json = new CaseJson(golden);
        Position where = Position.of(json.file());
        OptimizerTechnique technique =
                Techniques.find(OptimizerTechnique.class, OptimizerTechnique.KIND, json.text("optim"), where);
        Block config = json.block("config");
        Block args = config.has(OPTIM_ARGS) ? config.block(OPTIM_ARGS) : Block.empty(where);
        OptimizerSettings settings = settings(config, technique, json);
        Record bound = args.bind(technique.config());
        Schedule schedule = schedule(config, technique, bound, json);
        int steps = json.count("steps");
        double worst = 0;
        List<Parameter> parameters = new ArrayList<>();
        try (SafetensorsFile file = SafetensorsFile.open(golden.folder().resolve("golden.safetensors"))) {
            for (int i = 0; file.contains("param." + i); i++) {
                try (Scope scope = Scope.open()) {
                    parameters.add(new Parameter("param." + i, tensor(file, "param." + i)));
                }
            }
            if (parameters.isEmpty()) {
                throw QuernException.failed("%s: no tensor 'param.0'; make the case again", file.path());
            }
            try (Optimizer optimizer = technique.create(List.of(ParameterGroup.of(parameters)), settings, bound)) {
                for (int step = 0; step < steps; step++) {
                    worst = Math.max(worst, step(optimizer, parameters, file, step, schedule.rate(step)));
                }
            }
        } finally {
            parameters.forEach(Parameter::close);
        }
        return List.of(GoldenCheck.of("parameters", worst, golden.tolerance("parameters")));
    }

    /** The case's constant rate, or the optimizer's own. */
    private static Schedule schedule(Block config, OptimizerTechnique technique, Record bound, CaseJson json) {
        Optional<OptimizerTechnique.OwnRate> own = technique.ownRate(bound);
        if (own.isEmpty()) {
            double rate = json.number(json.object("config"), LEARNING_RATE);
            return step -> rate;
        }
        if (config.has(LEARNING_RATE)) {
            throw QuernException.badInput(
                    "%s: config.learning_rate has no effect beside optim_args.%s; leave one of them out",
                    json.file(), own.get().key());
        }
        return own.get().schedule();
    }

    private static OptimizerSettings settings(Block config, OptimizerTechnique technique, CaseJson json) {
        Set<String> known = new TreeSet<>(technique.settings());
        known.add(LEARNING_RATE);
        known.add(OPTIM_ARGS);
        for (String key : config.keys()) {
            if (!known.contains(key)) {
                throw QuernException.badInput(
                        "%s: config has '%s', which %s does not read; it reads %s",
                        json.file(), key, technique.id(), String.join(", ", known));
            }
        }
        JsonNode values = json.object("config");
        OptimizerSettings defaults = OptimizerSettings.DEFAULT;
        return new OptimizerSettings(
                json.number(values, "weight_decay", defaults.weightDecay()),
                json.number(values, "adam_beta1", defaults.beta1()),
                json.number(values, "adam_beta2", defaults.beta2()),
                json.number(values, "adam_epsilon", defaults.epsilon()));
    }

    private static double step(
            Optimizer optimizer, List<Parameter> parameters, SafetensorsFile file, int step, double learningRate) {
        try (Scope scope = Scope.open()) {
            for (int i = 0; i < parameters.size(); i++) {
                Parameter parameter = parameters.get(i);
                parameter.clearGrad();
                // A case may leave a parameter without a gradient at a step.
                String name = "grad." + step + "." + i;
                if (file.contains(name)) {
                    parameter.value().setGrad(tensor(file, name));
                }
            }
            optimizer.step(learningRate, 1);
            double worst = 0;
            for (int i = 0; i < parameters.size(); i++) {
                Tensor expected = tensor(file, "expected." + step + "." + i);
                Tensor error = parameters.get(i).value().detach().sub(expected).abs();
                double scale = expected.numel() == 0
                        ? 1
                        : Math.max(1, expected.abs().max().item());
                double relative = error.numel() == 0 ? 0 : error.max().item() / scale;
                // Math.max lets a NaN through, and a NaN fails the check.
                worst = Math.max(worst, relative);
            }
            return worst;
        }
    }

    private static Tensor tensor(SafetensorsFile file, String name) {
        SafetensorsFile.Entry entry = file.entry(name);
        return Tensor.copyOf(
                entry.bytes(), DType.ofSafetensors(entry.dtype(), file.path().toString(), name), entry.shape());
    }
}
