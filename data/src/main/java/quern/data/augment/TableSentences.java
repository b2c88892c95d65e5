package quern.data.augment;

import java.util.ArrayList;
import java.util.List;

/** Tables of Markdown as sentences: {@code In row 1, city is Rome; people is 3.} */
final class TableSentences {
    private TableSentences() {}

    static int tell(List<String> lines, int at, List<String> told) {
        List<String> names = cells(lines.get(at));
        if (names.isEmpty() || at + 2 >= lines.size() || !lines.get(at + 1).equals(rule(names.size()))) {
            return at;
        }
        int next = at + 2;
        List<String> sentences = new ArrayList<>();
        while (next < lines.size()) {
            List<String> cells = cells(lines.get(next));
            if (cells.size() != names.size()) {
                break;
            }
            List<String> clauses = new ArrayList<>();
            for (int i = 0; i < cells.size(); i++) {
                clauses.add(Phrase.write(names.get(i)) + " is " + Phrase.write(cells.get(i)));
            }
            next++;
            sentences.add("In row %d, %s.".formatted(next - at - 2, String.join("; ", clauses)));
        }
        if (sentences.isEmpty()) {
            return at;
        }
        told.addAll(sentences);
        return next;
    }

    static int restore(List<String> lines, int at, List<String> restored) {
        List<String> names = null;
        int next = at;
        while (next < lines.size()) {
            String begin = "In row %d, ".formatted(next - at + 1);
            String line = lines.get(next);
            if (!line.startsWith(begin) || !line.endsWith(".")) {
                break;
            }
            List<String> columns = new ArrayList<>();
            List<String> cells = new ArrayList<>();
            for (String clause : Phrase.split(line.substring(begin.length(), line.length() - 1), "; ")) {
                int is = Phrase.find(clause, " is ", 0);
                if (is < 0) {
                    return at;
                }
                columns.add(Phrase.read(clause.substring(0, is)));
                cells.add(Phrase.read(clause.substring(is + 4)));
            }
            if (names == null) {
                names = columns;
                restored.add(row(names));
                restored.add(rule(names.size()));
            } else if (!names.equals(columns)) {
                break;
            }
            restored.add(row(cells));
            next++;
        }
        return next;
    }

    private static List<String> cells(String line) {
        if (!line.startsWith("| ") || !line.endsWith(" |") || line.length() < 5) {
            return List.of();
        }
        return List.of(line.substring(2, line.length() - 2).split(" \\| ", -1));
    }

    private static String row(List<String> cells) {
        return "| " + String.join(" | ", cells) + " |";
    }

    private static String rule(int columns) {
        return "|" + " --- |".repeat(columns);
    }
}
