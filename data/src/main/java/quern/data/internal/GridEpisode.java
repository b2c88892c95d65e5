package quern.data.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import quern.data.Permutation;

/**
 * An agent's way through a grid.
 *
 * @param target the colour of the square it is told to go to
 * @param cells the grid before its first action, row by row, a {@link Cell}'s ordinal each
 * @param actions what it does
 */
public record GridEpisode(Cell target, int[] cells, List<Action> actions) {
    /** Goes into names of caches; to be raised when episodes change. */
    static final int EDITION = 1;

    /** Cells in a row and rows in a grid. */
    public static final int SIDE = 4;

    /** Pixels of a cell's side; a cell is a patch of the image. */
    public static final int PATCH = 4;

    private static final int WALLS = 3;
    /** How far the paint of a pixel may be from the colour of its cell. */
    private static final double NOISE = 0.2;

    private static final Pattern TEXT =
            Pattern.compile("go to the (red|green|blue) square \\| ([.#ARGB, ]+) \\| ((?:up|down|left|right| )+)");

    /** What may be in a cell, with its letter and colour. */
    public enum Cell {
        /** Nothing. */
        EMPTY('.', 0.9, 0.9, 0.9),
        /** What can't be walked through. */
        WALL('#', 0.1, 0.1, 0.1),
        /** The agent. */
        AGENT('A', 0.9, 0.8, 0.1),
        /** A square. */
        RED('R', 0.9, 0.1, 0.1),
        /** A square. */
        GREEN('G', 0.1, 0.7, 0.1),
        /** A square. */
        BLUE('B', 0.1, 0.2, 0.9);

        private final char letter;
        private final double[] rgb;

        Cell(char letter, double... rgb) {
            this.letter = letter;
            this.rgb = rgb;
        }

        private static Cell of(char letter) {
            return Arrays.stream(values())
                    .filter(cell -> cell.letter == letter)
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** What an agent may do: a step in a direction. */
    public enum Action {
        /** A row up. */
        UP(0, -1),
        /** A row down. */
        DOWN(0, 1),
        /** A column to the left. */
        LEFT(-1, 0),
        /** A column to the right. */
        RIGHT(1, 0);

        private final int x;
        private final int y;

        Action(int x, int y) {
            this.x = x;
            this.y = y;
        }

        /** Its name in a text. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The cell that a step from {@code cell} leads to; -1 outside of the grid. */
        int from(int cell) {
            int column = cell % SIDE + x;
            int row = cell / SIDE + y;
            return column < 0 || column >= SIDE || row < 0 || row >= SIDE ? -1 : row * SIDE + column;
        }
    }

    /** Episode number {@code index} of a seed. */
    public static GridEpisode of(long seed, long index) {
        for (long attempt = 0; ; attempt++) {
            long key = Mix.hash(Mix.hash(seed, index), attempt);
            Permutation order = new Permutation(SIDE * SIDE, key);
            int[] cells = new int[SIDE * SIDE];
            List<Cell> things = List.of(Cell.AGENT, Cell.RED, Cell.GREEN, Cell.BLUE);
            for (int i = 0; i < things.size() + WALLS; i++) {
                cells[(int) order.at(i)] = (i < things.size() ? things.get(i) : Cell.WALL).ordinal();
            }
            Cell target = things.get(1 + (int) Mix.below(key, -1, 3));
            List<Action> way = way(cells, target);
            if (!way.isEmpty()) {
                return new GridEpisode(target, cells, way);
            }
        }
    }

    /** A shortest way of the agent to a square through empty cells, the first in the order of actions; empty where there is none. */
    private static List<Action> way(int[] cells, Cell target) {
        int[] cameFrom = new int[cells.length];
        Action[] by = new Action[cells.length];
        Arrays.fill(cameFrom, -1);
        int start = place(cells, Cell.AGENT);
        Deque<Integer> open = new ArrayDeque<>(List.of(start));
        while (!open.isEmpty()) {
            int cell = open.removeFirst();
            for (Action action : Action.values()) {
                int next = action.from(cell);
                if (next < 0 || next == start || by[next] != null) {
                    continue;
                }
                if (cells[next] == target.ordinal()) {
                    List<Action> way = new ArrayList<>(List.of(action));
                    for (int at = cell; at != start; at = cameFrom[at]) {
                        way.add(by[at]);
                    }
                    Collections.reverse(way);
                    return way;
                }
                if (cells[next] == Cell.EMPTY.ordinal()) {
                    by[next] = action;
                    cameFrom[next] = cell;
                    open.addLast(next);
                }
            }
        }
        return List.of();
    }

    private static int place(int[] cells, Cell cell) {
        for (int i = 0; i < cells.length; i++) {
            if (cells[i] == cell.ordinal()) {
                return i;
            }
        }
        return -1;
    }

    /** What the agent is told. */
    public String instruction() {
        return "go to the " + target.name().toLowerCase(Locale.ROOT) + " square";
    }

    /** The episode in words. */
    public String text() {
        String grid = Stream.iterate(0, row -> row < SIDE, row -> row + 1)
                .map(row -> Arrays.stream(cells, row * SIDE, (row + 1) * SIDE)
                        .mapToObj(cell -> String.valueOf(Cell.values()[cell].letter))
                        .collect(Collectors.joining()))
                .collect(Collectors.joining(", "));
        return instruction() + " | " + grid + " | "
                + actions.stream().map(Action::word).collect(Collectors.joining(" "));
    }

    /** The episode that a text tells of; empty where it tells of none. */
    public static Optional<GridEpisode> parse(String text) {
        Matcher m = TEXT.matcher(text.strip());
        if (!m.matches()) {
            return Optional.empty();
        }
        String grid = m.group(2).replace(", ", "");
        boolean whole = grid.length() == SIDE * SIDE
                && grid.chars().noneMatch(c -> c == ',' || c == ' ')
                && grid.chars().filter(c -> c == 'A').count() == 1;
        if (!whole) {
            return Optional.empty();
        }
        return Optional.of(new GridEpisode(
                Cell.valueOf(m.group(1).toUpperCase(Locale.ROOT)),
                grid.chars().map(c -> Cell.of((char) c).ordinal()).toArray(),
                Arrays.stream(m.group(3).strip().split(" +"))
                        .map(word -> Action.valueOf(word.toUpperCase(Locale.ROOT)))
                        .toList()));
    }

    /** The grid before each action and after the last; a step into a wall or out of the grid leaves it as it was. */
    public List<int[]> grids() {
        List<int[]> all = new ArrayList<>(List.of(cells));
        for (Action action : actions) {
            int[] next = all.getLast().clone();
            int from = place(next, Cell.AGENT);
            int to = action.from(from);
            if (to >= 0 && next[to] != Cell.WALL.ordinal()) {
                next[from] = Cell.EMPTY.ordinal();
                next[to] = Cell.AGENT.ordinal();
            }
            all.add(next);
        }
        return all;
    }

    /**
     * An image of a grid with grain that differs with {@code key}: 3 values in about [0, 1] a pixel, row by row, a cell {@link
     * #PATCH} pixels wide.
     */
    static double[][] paint(int[] cells, long key) {
        int width = SIDE * PATCH;
        double[][] image = new double[width * width][];
        for (int i = 0; i < image.length; i++) {
            double[] rgb = Cell.values()[cells[i / width / PATCH * SIDE + i % width / PATCH]].rgb.clone();
            for (int c = 0; c < rgb.length; c++) {
                rgb[c] += NOISE * (2 * Mix.unit(key, 3L * i + c) - 1);
            }
            image[i] = rgb;
        }
        return image;
    }

    /** The code of each patch of an image in raster order: of the colours of cells, the one nearest to its mean. */
    static int[] patches(double[][] image) {
        int width = SIDE * PATCH;
        int[] codes = new int[SIDE * SIDE];
        for (int patch = 0; patch < codes.length; patch++) {
            double[] mean = new double[3];
            for (int i = 0; i < PATCH * PATCH; i++) {
                int row = patch / SIDE * PATCH + i / PATCH;
                int column = patch % SIDE * PATCH + i % PATCH;
                for (int c = 0; c < mean.length; c++) {
                    mean[c] += image[row * width + column][c] / (PATCH * PATCH);
                }
            }
            double least = Double.POSITIVE_INFINITY;
            for (Cell cell : Cell.values()) {
                double distance = 0;
                for (int c = 0; c < mean.length; c++) {
                    distance += (mean[c] - cell.rgb[c]) * (mean[c] - cell.rgb[c]);
                }
                if (distance < least) {
                    least = distance;
                    codes[patch] = cell.ordinal();
                }
            }
        }
        return codes;
    }
}
