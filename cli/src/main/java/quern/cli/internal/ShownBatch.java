package quern.cli.internal;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import quern.cli.Terminal;
import quern.data.Batch;
import quern.data.SpecialToken;
import quern.data.Tokenizer;

/**
 * A batch as text, row by row, of any objective: it is told from the numbers alone whether a target is the token after an
 * input, the token that stood where an input stands, or one of a row of its own.
 */
public final class ShownBatch {
    private static final int BOLD = 1;
    private static final int COUNTED = 32;
    private static final int CONTEXT = 36;
    private static final int CORRUPTED = 31;
    private static final String NO_TARGET = "·";

    /** How targets lie to inputs. */
    enum Targets {
        /** Each is the token that follows an input. */
        NEXT,
        /** Each is what stood in an input's place. */
        SAME,
        /** They are a row of their own. */
        OWN
    }

    /**
     * A row; the lists of inputs are as long as the row without its padding.
     *
     * @param inputs a piece of text for each input
     * @param inputIds the inputs
     * @param corrupted whether an input stands for something that was taken away or changed
     * @param context whether an input is read only, not learned
     * @param targets a piece of text for each label; null where none counts
     * @param targetIds the labels, {@link Batch#NOT_COUNTED} where none counts
     * @param counted targets that count
     * @param padding inputs behind the row's end
     * @param documents of a row of documents that do not see each other, the tokens of each; otherwise empty
     * @param masks whole numbers that the model reads beside the tokens, by name
     * @param values shapes of the real numbers that the model reads beside the tokens, by name
     */
    public record Row(
            List<String> inputs,
            List<Integer> inputIds,
            List<Boolean> corrupted,
            List<Boolean> context,
            List<String> targets,
            List<Integer> targetIds,
            int counted,
            int padding,
            List<Integer> documents,
            Map<String, List<Integer>> masks,
            Map<String, List<Integer>> values) {}

    private final Batch batch;
    private final Tokenizer tokenizer;
    private final Set<Integer> framing;
    private final Targets kind;

    private ShownBatch(Batch batch, Tokenizer tokenizer) {
        this.batch = batch;
        this.tokenizer = tokenizer;
        this.framing = IntStream.concat(
                        tokenizer.endOfText().stream(),
                        Stream.of(
                                        SpecialToken.CLS_TOKEN,
                                        SpecialToken.SEP_TOKEN,
                                        SpecialToken.BOS_TOKEN,
                                        SpecialToken.PAD_TOKEN,
                                        SpecialToken.UNK_TOKEN)
                                .flatMapToInt(token -> tokenizer.special(token).stream()))
                .boxed()
                .collect(Collectors.toSet());
        this.kind = kind();
    }

    /** The rows of a batch. */
    public static List<Row> rows(Batch batch, Tokenizer tokenizer) {
        ShownBatch shown = new ShownBatch(batch, tokenizer);
        return IntStream.range(0, batch.rows()).mapToObj(shown::row).toList();
    }

    /** Whether a token takes the place of others: a mask or a sentinel. */
    private boolean standsIn(int id) {
        return id >= 0 && tokenizer.isSpecial(id) && !framing.contains(id);
    }

    private Targets kind() {
        if (batch.labels().length != batch.inputIds().length || batch.others().containsKey("decoder_input_ids")) {
            return Targets.OWN;
        }
        int next = 0;
        int same = 0;
        int counted = 0;
        for (int row = 0; row < batch.rows(); row++) {
            for (int i = 0; i + 1 < batch.lengths()[row]; i++) {
                int cell = batch.start(row) + i;
                int label = batch.labels()[cell];
                if (label != Batch.NOT_COUNTED) {
                    counted++;
                    next += label == batch.inputIds()[cell + 1] ? 1 : 0;
                    same += label == batch.inputIds()[cell] || standsIn(batch.inputIds()[cell]) ? 1 : 0;
                }
            }
        }
        return 2 * next >= counted ? Targets.NEXT : 2 * same >= counted ? Targets.SAME : Targets.OWN;
    }

    private Row row(int row) {
        int length = batch.lengths()[row];
        int start = batch.start(row);
        int labelStart = kind == Targets.OWN ? row * batch.labelColumns() : start;
        int labels = kind == Targets.OWN ? batch.labelColumns() : length;
        List<Integer> targetIds = Arrays.stream(batch.labels(), labelStart, labelStart + labels)
                .boxed()
                .collect(Collectors.toCollection(ArrayList::new));
        while (kind == Targets.OWN && !targetIds.isEmpty() && targetIds.getLast() == Batch.NOT_COUNTED) {
            targetIds.removeLast();
        }
        List<Integer> inputIds =
                Arrays.stream(batch.inputIds(), start, start + length).boxed().toList();
        List<Boolean> corrupted = new ArrayList<>(length);
        List<Boolean> context = new ArrayList<>(length);
        for (int i = 0; i < length; i++) {
            int id = inputIds.get(i);
            corrupted.add(
                    switch (kind) {
                        case NEXT -> false;
                        case SAME -> targetIds.get(i) != Batch.NOT_COUNTED && targetIds.get(i) != id;
                        case OWN -> standsIn(id);
                    });
            context.add(
                    switch (kind) {
                        case NEXT -> i == 0 || targetIds.get(i - 1) == Batch.NOT_COUNTED;
                        case SAME -> targetIds.get(i) == Batch.NOT_COUNTED;
                        case OWN -> true;
                    });
        }
        Map<String, List<Integer>> masks = new TreeMap<>();
        Map<String, List<Integer>> values = new TreeMap<>();
        batch.others().forEach((name, other) -> {
            int[] shape = Arrays.copyOfRange(other.shape(), 1, other.shape().length);
            int size = Arrays.stream(shape).reduce(1, Math::multiplyExact);
            if (other instanceof Batch.Values.Ints ints) {
                masks.put(
                        name,
                        Arrays.stream(ints.values(), row * size, (row + 1) * size)
                                .boxed()
                                .toList());
            } else {
                values.put(name, Arrays.stream(shape).boxed().toList());
            }
        });
        return new Row(
                inputIds.stream().map(this::text).toList(),
                inputIds,
                corrupted,
                context,
                targetIds.stream()
                        .map(id -> id == Batch.NOT_COUNTED ? null : text(id))
                        .toList(),
                targetIds,
                (int) targetIds.stream().filter(id -> id != Batch.NOT_COUNTED).count(),
                batch.isUnpadded() ? 0 : batch.columns() - length,
                documents(start, length),
                masks,
                values);
    }

    private List<Integer> documents(int start, int length) {
        List<Integer> found = new ArrayList<>();
        int at = 0;
        for (int document : batch.documents()) {
            if (at >= start && at < start + length) {
                found.add(document);
            }
            at += document;
        }
        return found;
    }

    private String text(int id) {
        return id >= 0 && id < tokenizer.vocabularySize() ? tokenizer.decode(new int[] {id}) : "<" + id + ">";
    }

    /**
     * Prints rows: targets that count in green or in brackets, inputs that are only read in cyan, those that were changed in
     * red or in braces.
     */
    public static void print(List<Row> rows, Terminal terminal, PrintWriter out) {
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            String name = "row " + (i + 1);
            out.println();
            out.println(terminal.paint(BOLD, name + ", inputs"));
            out.println(inputs(row, terminal));
            out.println(terminal.paint(BOLD, name + ", targets"));
            StringBuilder targets = new StringBuilder();
            for (String target : row.targets()) {
                targets.append(target == null ? NO_TARGET : marked(target, COUNTED, "[", "]", terminal));
            }
            out.println(targets);
            out.println(terminal.paint(BOLD, name + ", counts")
                    + "  %,d of %,d targets, %,d inputs, %,d padding"
                            .formatted(
                                    row.counted(),
                                    row.targets().size(),
                                    row.inputs().size(),
                                    row.padding()));
            if (row.documents().size() > 1) {
                out.println("  documents: "
                        + row.documents().stream().map(String::valueOf).collect(Collectors.joining(" + "))
                        + " tokens");
            }
            row.masks().forEach((mask, values) -> out.println("  " + mask + ": " + runs(values)));
            row.values()
                    .forEach((value, shape) -> out.println("  " + value + ": "
                            + shape.stream().map(String::valueOf).collect(Collectors.joining(" x "))
                            + " numbers"));
        }
    }

    private static String inputs(Row row, Terminal terminal) {
        Set<Integer> borders = borders(row);
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < row.inputs().size(); i++) {
            line.append(borders.contains(i) ? "|" : "");
            String piece = row.inputs().get(i);
            if (row.corrupted().get(i)) {
                line.append(marked(piece, CORRUPTED, "{", "}", terminal));
            } else {
                line.append(terminal.paint(row.context().get(i) ? CONTEXT : COUNTED, printable(piece)));
            }
        }
        return line.toString();
    }

    /** The inputs at which another document begins. */
    private static Set<Integer> borders(Row row) {
        Map<Integer, Integer> starts = new LinkedHashMap<>();
        int at = 0;
        for (int document : row.documents()) {
            starts.put(at, document);
            at += document;
        }
        starts.remove(0);
        return starts.keySet();
    }

    private static String marked(String piece, int colour, String open, String close, Terminal terminal) {
        String text = printable(piece);
        return terminal.colour() ? terminal.paint(colour, text) : open + text + close;
    }

    /** Without characters that would move a terminal's cursor. */
    private static String printable(String text) {
        return text.chars().noneMatch(c -> c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == 0x9b)
                ? text
                : text.replaceAll("[\\x00-\\x08\\x0b-\\x1f\\x7f\\x9b]", "\uFFFD");
    }

    /** Equal numbers one behind another as one number and how often. */
    private static String runs(List<Integer> values) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < values.size(); ) {
            int from = i;
            while (i < values.size() && values.get(i).equals(values.get(from))) {
                i++;
            }
            line.append(line.isEmpty() ? "" : " ")
                    .append(i - from == 1 ? String.valueOf(values.get(from)) : values.get(from) + " x " + (i - from));
            line.append(i < values.size() ? "," : "");
        }
        return line.toString();
    }
}
