package quern.data.internal;

import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A coloured shape on a plain background, which a caption says in full and which can be painted.
 *
 * @param size {@code small} or {@code large}
 * @param color of the shape
 * @param shape what it is
 * @param place where its middle is
 * @param background another colour
 */
public record Scene(String size, String color, String shape, String place, String background) {
    /** Changes with captions and paint, so that nothing made from older ones is mistaken for theirs. */
    public static final int EDITION = 1;

    private static final List<String> SIZES = List.of("small", "large");
    private static final List<String> COLORS =
            List.of("red", "green", "blue", "yellow", "purple", "orange", "white", "black");
    private static final float[][] RGB = {
        {0.9f, 0.1f, 0.1f}, {0.1f, 0.7f, 0.2f}, {0.1f, 0.2f, 0.9f}, {0.95f, 0.9f, 0.1f},
        {0.6f, 0.1f, 0.7f}, {1f, 0.55f, 0.05f}, {1f, 1f, 1f}, {0f, 0f, 0f}
    };
    private static final List<String> SHAPES = List.of("circle", "square", "triangle", "diamond", "cross", "ring");
    private static final List<String> PLACES =
            List.of("top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right");
    private static final Pattern CAPTION =
            Pattern.compile("an? (\\w+) (\\w+) (\\w+) in the ([a-z ]+) on an? (\\w+) background");

    private static final int CHANNELS = 3;
    private static final double NOISE = 0.03;
    private static final double UNIT = 0x1p-53;

    /** Scene number {@code index} of a seed. */
    public static Scene of(long seed, long index) {
        long key = Mix.hash(seed, index);
        int color = (int) Mix.below(key, 1, COLORS.size());
        int background = (int) ((color + 1 + Mix.below(key, 4, COLORS.size() - 1)) % COLORS.size());
        return new Scene(
                pick(SIZES, key, 0),
                COLORS.get(color),
                pick(SHAPES, key, 2),
                pick(PLACES, key, 3),
                COLORS.get(background));
    }

    private static String pick(List<String> words, long key, long draw) {
        return words.get((int) Mix.below(key, draw, words.size()));
    }

    /** The scene that a caption says; empty when it isn't the caption of one. */
    public static Optional<Scene> parse(String caption) {
        Matcher m = CAPTION.matcher(caption.strip());
        if (!m.matches()) {
            return Optional.empty();
        }
        Scene scene = new Scene(m.group(1), m.group(2), m.group(3), m.group(4), m.group(5));
        boolean known = SIZES.contains(scene.size)
                && COLORS.contains(scene.color)
                && SHAPES.contains(scene.shape)
                && PLACES.contains(scene.place)
                && COLORS.contains(scene.background);
        return known ? Optional.of(scene) : Optional.empty();
    }

    /** What it says. */
    public String caption() {
        return "a %s %s %s in the %s on %s %s background"
                .formatted(size, color, shape, place, background.equals("orange") ? "an" : "a", background);
    }

    /**
     * Paints the scene: the shape's middle, its size and the grain of the paint differ a little with {@code key}.
     *
     * @param into receives 3·side·side values in [-1, 1] and a little beyond, colour by colour, row by row
     */
    public void paint(float[] into, int from, int side, long key) {
        int at = PLACES.indexOf(place);
        double column = (at % 3 + 0.5) / 3 + 0.06 * (unit(key, 0) - 0.5);
        double row = (at / 3 + 0.5) / 3 + 0.06 * (unit(key, 1) - 0.5);
        double radius = (size.equals("small") ? 0.09 : 0.16) * (0.9 + 0.2 * unit(key, 2));
        float[] paint = RGB[COLORS.indexOf(color)];
        float[] ground = RGB[COLORS.indexOf(background)];
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) {
                boolean covered = covers(((x + 0.5) / side - column) / radius, ((y + 0.5) / side - row) / radius);
                for (int c = 0; c < CHANNELS; c++) {
                    int pixel = (c * side + y) * side + x;
                    double grain = NOISE * (2 * unit(key, 3L + pixel) - 1);
                    into[from + pixel] = (float) (2 * ((covered ? paint : ground)[c] + grain) - 1);
                }
            }
        }
    }

    /** Whether the shape of radius 1 around the origin, y downwards, covers a point. */
    private boolean covers(double x, double y) {
        double distance = Math.hypot(x, y);
        return switch (shape) {
            case "circle" -> distance <= 1;
            case "square" -> Math.max(Math.abs(x), Math.abs(y)) <= 0.9;
            case "triangle" -> y <= 0.8 && y >= -1 + 2 * Math.abs(x);
            case "diamond" -> Math.abs(x) + Math.abs(y) <= 1.1;
            case "cross" -> Math.min(Math.abs(x), Math.abs(y)) <= 0.3 && Math.max(Math.abs(x), Math.abs(y)) <= 1;
            case "ring" -> distance <= 1.05 && distance >= 0.6;
            default -> throw new IllegalStateException(shape);
        };
    }

    private static double unit(long key, long draw) {
        return (Mix.hash(key, draw) >>> 11) * UNIT;
    }
}
