package quern.models;

import java.util.OptionalLong;

/** What a new parameter is filled with. */
public sealed interface Initialization {
    /** Zeros, as biases have. */
    Constant ZEROS = new Constant(0);
    /** Ones, as norm weights have. */
    Constant ONES = new Constant(1);

    /** Normal numbers around 0. */
    static Initialization normal(double std) {
        return new Normal(std, OptionalLong.empty());
    }

    /** One value everywhere. */
    record Constant(double value) implements Initialization {}

    /** Numbers at even distances from {@code first} to {@code last}, of a vector; {@code first} alone where it is one number. */
    record Evenly(double first, double last) implements Initialization {}

    /** Normal numbers around 0, and zeros in the row of the padding token where there is one. */
    record Normal(double std, OptionalLong zeroRow) implements Initialization {}

    /** Normal numbers around 0, drawn again where they are more than {@code cutoff} standard deviations away. */
    record TruncatedNormal(double std, double cutoff) implements Initialization {}
}
