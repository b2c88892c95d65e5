package quern.search;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import quern.recipe.QuernException;
import quern.train.ProcessMemory;
import quern.train.StepResult;
import quern.train.TrainingHook;
import quern.train.TrainingProgress;

/**
 * Measures what a run costs: wall time and CPU time of the whole training with its evaluations and saves, energy, and the
 * peak of this process's memory. What a run that is resumed has cost before comes from its checkpoint.
 */
final class RunMeter implements TrainingHook {
    private static final String WALL = "wall_seconds";
    private static final String CPU = "cpu_seconds";
    private static final String ENERGY = "joules";
    private static final String PEAK = "peak_bytes";
    private static final long ENERGY_INTERVAL = 1_000_000_000L;

    private final OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final Optional<EnergyCounter> energy;
    private final boolean measuresPeak = ProcessMemory.canForgetPeak();
    private final long wallStart = System.nanoTime();
    private final long cpuStart = system.getProcessCpuTime();
    private final double joulesStart;
    private Map<String, Double> before = Map.of();
    private long energyRead;
    private long steps;
    private long earlierSteps;

    /** Begins to measure; made just before the run that it watches. */
    RunMeter(Optional<EnergyCounter> energy) {
        this.energy = energy;
        if (measuresPeak) {
            ProcessMemory.releaseFree();
            ProcessMemory.forgetPeak();
        }
        joulesStart = energy.isPresent() ? read(energy.get()) : 0;
    }

    @Override
    public void onStep(TrainingProgress progress, StepResult result) {
        steps = earlierSteps + progress.step();
        if (System.nanoTime() - energyRead > ENERGY_INTERVAL) {
            joules();
        }
    }

    /** Steps taken. */
    long steps() {
        return steps;
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        state.put(WALL, wallSeconds());
        state.put(CPU, cpuSeconds());
        joules().ifPresent(joules -> state.put(ENERGY, joules));
        peakBytes().ifPresent(bytes -> state.put(PEAK, (double) bytes));
        return state;
    }

    @Override
    public void load(Map<String, Double> state) {
        // A stage that begins has none; what the stages before it cost stays.
        if (!state.isEmpty()) {
            before = Map.copyOf(state);
        }
    }

    /** From now on steps are those of a stage, after so many of the stages before. */
    void beginStage(long earlier) {
        earlierSteps = earlier;
        steps = earlier;
    }

    double wallSeconds() {
        return before.getOrDefault(WALL, 0.0) + (System.nanoTime() - wallStart) / 1e9;
    }

    double cpuSeconds() {
        return before.getOrDefault(CPU, 0.0) + (system.getProcessCpuTime() - cpuStart) / 1e9;
    }

    /** Empty where the machine shows no energy, or did not when the run began. */
    Optional<Double> joules() {
        energyRead = System.nanoTime();
        if (energy.isEmpty() || !before.isEmpty() && !before.containsKey(ENERGY)) {
            return Optional.empty();
        }
        return Optional.of(before.getOrDefault(ENERGY, 0.0) + read(energy.get()) - joulesStart);
    }

    private static double read(EnergyCounter counter) {
        try {
            return counter.joules();
        } catch (IOException e) {
            throw QuernException.failed("the energy counter can't be read any more: %s", e.getMessage());
        }
    }

    /** Empty where this process may not measure it. */
    Optional<Long> peakBytes() {
        if (!measuresPeak) {
            return Optional.empty();
        }
        return Optional.of(Math.max(
                before.getOrDefault(PEAK, 0.0).longValue(), ProcessMemory.read().peak()));
    }
}
