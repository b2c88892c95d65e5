package quern.cli.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** An axis with round ticks: 1, 2 or 5 times a power of ten apart. */
public final class Axis {
    private final double low;
    private final double high;
    private final double step;

    /** An axis over {@code low..high} with about {@code ticks} ticks. Equal ends are widened. */
    public Axis(double low, double high, int ticks) {
        double margin = high > low ? 0 : Math.max(Math.abs(low) * 0.05, 0.5);
        this.low = low - margin;
        this.high = high + margin;
        double raw = (this.high - this.low) / Math.max(1, ticks);
        double power = Math.pow(10, Math.floor(Math.log10(raw)));
        double share = raw / power;
        this.step = power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
    }

    /** Where {@code value} lies: 0 at the low end, 1 at the high end. */
    public double position(double value) {
        return (value - low) / (high - low);
    }

    /** The ticks within the axis. */
    public List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        for (long i = (long) Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
            ticks.add(i * step);
        }
        return ticks;
    }

    /** A tick's label, with as many decimals as the distance of the ticks needs. */
    public String label(double tick) {
        if (step >= 1) {
            return tick >= 10_000 && tick % 1000 == 0
                    ? String.format(Locale.ROOT, "%.0fk", tick / 1000)
                    : String.format(Locale.ROOT, "%.0f", tick);
        }
        int decimals = (int) Math.ceil(-Math.log10(step) - 1e-9);
        return decimals > 6
                ? String.format(Locale.ROOT, "%.2e", tick)
                : String.format(Locale.ROOT, "%." + decimals + "f", tick);
    }
}
