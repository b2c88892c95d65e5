package quern.tensor;

import quern.recipe.QuernException;

/** Where a tensor's storage lives: {@code cpu}, or {@code cuda:<index>}. */
public record Device(boolean isCuda, int index) {
    /** The host's memory. */
    public static final Device CPU = new Device(false, 0);

    /** CUDA device {@code index}. */
    public static Device cuda(int index) {
        return new Device(true, index);
    }

    /** Reads {@code cpu}, {@code cuda} or {@code cuda:1}; a CUDA device must be present. */
    public static Device parse(String text) {
        if (text.equals("cpu")) {
            return CPU;
        }
        if (!text.matches("cuda(:\\d{1,3})?")) {
            throw QuernException.badInput("device: found '%s', expected cpu, cuda or cuda:<index>", text);
        }
        if (!Native.cudaIsAvailable()) {
            throw QuernException.badInput(
                    "device: '%s' was asked for, but this build of libtorch sees no CUDA device; use device: cpu",
                    text);
        }
        return cuda(text.equals("cuda") ? 0 : Integer.parseInt(text.substring(5)));
    }

    @Override
    public String toString() {
        return isCuda ? "cuda:" + index : "cpu";
    }
}
