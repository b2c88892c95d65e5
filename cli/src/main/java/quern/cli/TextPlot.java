package quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import quern.cli.internal.Axis;
import quern.evaluate.plot.Series;

/**
 * Curves as text, with axes and a legend. Lines are drawn in braille dots (two by four to a character) and points as
 * {@code ●}; where the terminal shows no Unicode, as {@code *} and {@code o}.
 */
public final class TextPlot {
    private static final int[] COLOURS = {36, 33, 35, 32};
    private static final int BRAILLE = 0x2800;
    // The bit of the dot at (row, column) of a braille character.
    private static final int[][] DOTS = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    private static final int LEAST_COLUMNS = 20;
    private static final int LEAST_ROWS = 3;

    private final Terminal terminal;
    private final int rows;
    private final int columns;

    private TextPlot(Terminal terminal, int rows, int columns) {
        this.terminal = terminal;
        this.rows = rows;
        this.columns = columns;
    }

    /**
     * Draws the curves as wide as the terminal, at most 100 characters, and {@code rows} lines high without axis and
     * legend.
     *
     * @param title a heading, such as {@code loss}
     * @param xName what the horizontal axis counts
     * @return the lines; none if no series has a finite point
     */
    public static List<String> lines(Terminal terminal, String title, String xName, int rows, List<Series> series) {
        double[] x = range(series, true);
        double[] y = range(series, false);
        if (x[0] > x[1]) {
            return List.of();
        }
        int height = Math.max(LEAST_ROWS, rows);
        Axis vertical = new Axis(y[0], y[1], Math.max(2, height / 3));
        int labels = vertical.ticks().stream()
                .mapToInt(tick -> vertical.label(tick).length())
                .max()
                .orElse(1);
        int width = Math.max(LEAST_COLUMNS, Math.min(100, terminal.columns() - 1)) - labels - 2;
        Axis horizontal = new Axis(x[0], x[1], Math.max(2, width / 12));
        return new TextPlot(terminal, height, width).draw(title, xName, horizontal, vertical, labels, series);
    }

    private static double[] range(List<Series> all, boolean horizontal) {
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (Series series : all) {
            for (int i = 0; i < series.x().length; i++) {
                if (series.isFinite(i)) {
                    double value = horizontal ? series.x()[i] : series.y()[i];
                    low = Math.min(low, value);
                    high = Math.max(high, value);
                }
            }
        }
        return new double[] {low, high};
    }

    private List<String> draw(
            String title, String xName, Axis horizontal, Axis vertical, int labels, List<Series> series) {
        String[][] cells = new String[rows][columns];
        for (int i = 0; i < series.size(); i++) {
            if (!series.get(i).points()) {
                drawLine(cells, series.get(i), horizontal, vertical, COLOURS[i % COLOURS.length]);
            }
        }
        for (int i = 0; i < series.size(); i++) {
            if (series.get(i).points()) {
                drawPoints(cells, series.get(i), horizontal, vertical, COLOURS[i % COLOURS.length]);
            }
        }
        String[] rowLabels = new String[rows];
        for (double tick : vertical.ticks()) {
            rowLabels[row(vertical.position(tick))] = vertical.label(tick);
        }
        List<String> lines = new ArrayList<>();
        lines.add(title + legend(series));
        for (int r = 0; r < rows; r++) {
            String label = rowLabels[r] == null ? "" : rowLabels[r];
            String edge = terminal.unicode() ? (label.isEmpty() ? "│" : "┤") : (label.isEmpty() ? "|" : "+");
            String cellsOfRow = Arrays.stream(cells[r])
                    .map(cell -> cell == null ? " " : cell)
                    .collect(Collectors.joining());
            lines.add((" ".repeat(labels - label.length()) + label + " " + edge + cellsOfRow).stripTrailing());
        }
        lines.addAll(bottom(xName, horizontal, labels));
        return lines;
    }

    private String legend(List<Series> series) {
        StringBuilder legend = new StringBuilder();
        for (int i = 0; i < series.size(); i++) {
            String mark = series.get(i).points() ? pointMark() : terminal.unicode() ? "⠒⠒" : "*";
            legend.append("   ").append(terminal.paint(COLOURS[i % COLOURS.length], mark));
            legend.append(' ').append(series.get(i).name());
        }
        return legend.toString();
    }

    private List<String> bottom(String xName, Axis horizontal, int labels) {
        StringBuilder rule = new StringBuilder((terminal.unicode() ? "─" : "-").repeat(columns));
        StringBuilder text = new StringBuilder(" ".repeat(labels + 2 + columns));
        Set<Integer> taken = new TreeSet<>();
        for (double tick : horizontal.ticks()) {
            int column = column(horizontal.position(tick));
            String label = horizontal.label(tick);
            int from = Math.max(0, Math.min(text.length() - label.length(), labels + 2 + column - label.length() / 2));
            boolean free = true;
            for (int i = from - 1; i <= from + label.length(); i++) {
                free &= !taken.contains(i);
            }
            if (free) {
                rule.setCharAt(column, terminal.unicode() ? '┬' : '+');
                text.replace(from, from + label.length(), label);
                for (int i = from; i < from + label.length(); i++) {
                    taken.add(i);
                }
            }
        }
        int name = text.length() - xName.length();
        boolean free = name > labels + 2;
        for (int i = name - 1; i < text.length(); i++) {
            free &= !taken.contains(i);
        }
        if (free) {
            text.replace(name, text.length(), xName);
        }
        String corner = terminal.unicode() ? "└" : "+";
        return List.of(" ".repeat(labels + 1) + corner + rule, text.toString().stripTrailing());
    }

    private void drawLine(String[][] cells, Series series, Axis horizontal, Axis vertical, int colour) {
        int across = terminal.unicode() ? 2 : 1;
        int down = terminal.unicode() ? 4 : 1;
        int[][] bits = new int[rows][columns];
        List<int[]> dots = new ArrayList<>();
        Integer[] order = new Integer[series.x().length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Double.compare(series.x()[a], series.x()[b]));
        for (int i : order) {
            if (series.isFinite(i)) {
                dots.add(new int[] {
                    scale(horizontal.position(series.x()[i]), columns * across),
                    scale(1 - vertical.position(series.y()[i]), rows * down)
                });
            }
        }
        for (int i = 0; i < dots.size(); i++) {
            int[] from = dots.get(Math.max(0, i - 1));
            int[] to = dots.get(i);
            int steps = Math.max(1, Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])));
            for (int s = 0; s <= steps; s++) {
                int dx = from[0] + Math.round((float) s * (to[0] - from[0]) / steps);
                int dy = from[1] + Math.round((float) s * (to[1] - from[1]) / steps);
                bits[dy / down][dx / across] |= DOTS[dy % down][dx % across];
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                if (bits[r][c] != 0) {
                    String mark = terminal.unicode() ? Character.toString(BRAILLE + bits[r][c]) : "*";
                    cells[r][c] = terminal.paint(colour, mark);
                }
            }
        }
    }

    private void drawPoints(String[][] cells, Series series, Axis horizontal, Axis vertical, int colour) {
        for (int i = 0; i < series.x().length; i++) {
            if (series.isFinite(i)) {
                int column = column(horizontal.position(series.x()[i]));
                cells[row(vertical.position(series.y()[i]))][column] = terminal.paint(colour, pointMark());
            }
        }
    }

    private String pointMark() {
        return terminal.unicode() ? "●" : "o";
    }

    private int column(double position) {
        return scale(position, columns);
    }

    private int row(double position) {
        return scale(1 - position, rows);
    }

    private static int scale(double position, int cells) {
        return Math.max(0, Math.min(cells - 1, (int) Math.round(position * (cells - 1))));
    }
}
