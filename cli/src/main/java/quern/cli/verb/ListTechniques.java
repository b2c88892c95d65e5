package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.cli.internal.Proofs;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.Suggestion;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/** {@code quern list}: every technique that a recipe can switch on, with what proves it right. */
@Command(name = "list", description = "List every technique that a recipe can switch on.")
public final class ListTechniques implements Verb {
    /**
     * One technique.
     *
     * @param kind what part of a recipe chooses it
     * @param id what the recipe writes
     * @param summary one line
     * @param proof tests, goldens and records, as paths in the source tree
     */
    public record Entry(String kind, String id, String summary, List<String> proof) {}

    @Parameters(arity = "0..1", paramLabel = "KIND", description = "Only this kind, such as optim.")
    private String kind;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        List<Technique> techniques = new ArrayList<>(Techniques.all());
        if (kind != null) {
            keepKind(techniques);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            Proofs proofs = Proofs.under(Path.of(System.getProperty("quern.home", ".")));
            List<Entry> entries = new ArrayList<>();
            for (Technique technique : techniques) {
                entries.add(new Entry(technique.kind(), technique.id(), technique.summary(), proofs.of(technique)));
            }
            JsonOption.print(out, entries);
        } else {
            print(out, techniques);
        }
        return ExitCode.DONE;
    }

    private void keepKind(List<Technique> techniques) {
        Set<String> kinds = new TreeSet<>();
        techniques.forEach(technique -> kinds.add(technique.kind()));
        if (!kinds.contains(kind)) {
            String nearest = Suggestion.nearest(kind, kinds)
                    .map(name -> " (did you mean '" + name + "'?)")
                    .orElse("");
            throw QuernException.badInput(
                    "unknown kind '%s'%s: the kinds are %s", kind, nearest, String.join(", ", kinds));
        }
        techniques.removeIf(technique -> !technique.kind().equals(kind));
    }

    private static void print(PrintWriter out, List<Technique> techniques) {
        Terminal terminal = Terminal.stdout();
        int width = techniques.stream()
                .mapToInt(technique -> technique.id().length())
                .max()
                .orElse(0);
        String heading = null;
        for (Technique technique : techniques) {
            if (!technique.kind().equals(heading)) {
                out.println((heading == null ? "" : System.lineSeparator()) + terminal.paint(1, technique.kind()));
                heading = technique.kind();
            }
            String id = technique.id() + " ".repeat(width - technique.id().length());
            out.println("  " + terminal.paint(36, id) + "  " + technique.summary());
        }
        out.flush();
    }
}
