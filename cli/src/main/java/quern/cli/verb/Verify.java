package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenResult;
import quern.recipe.Goldens;

/** {@code quern verify}: replays golden cases and compares with what the reference computed. */
@Command(
        name = "verify",
        description = {
            "Replay golden cases and compare with what the reference implementation computed.",
            "A case is a folder with a case.json; all at or below each DIR are replayed. Of each, the check nearest to its",
            "tolerance is shown. The exit code is 0 only if every check of every case holds."
        })
public final class Verify implements Verb {
    private static final int GREEN = 32;
    private static final int RED = 31;

    @Parameters(arity = "1..*", paramLabel = "DIR", description = "A case, or a folder with cases below it.")
    private List<Path> folders;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        List<GoldenCase> cases = Goldens.find(folders);
        PrintWriter out = spec.commandLine().getOut();
        List<GoldenResult> results;
        if (json.wanted()) {
            results = Goldens.replayAll(cases);
            JsonOption.print(out, results);
        } else {
            results = replay(cases, out);
        }
        return results.stream().allMatch(GoldenResult::ok) ? ExitCode.DONE : ExitCode.FAILED;
    }

    private static List<GoldenResult> replay(List<GoldenCase> cases, PrintWriter out) {
        Terminal terminal = Terminal.stdout();
        int kind = width(cases.stream().map(GoldenCase::kind).toList(), "kind");
        int name = width(cases.stream().map(GoldenCase::name).toList(), "name");
        String format = "%-" + kind + "s  %-" + name + "s  %-15s  %11s  %9s  %s";
        out.println(terminal.paint(
                1, format.formatted("kind", "name", "worst check", "worst error", "tolerance", "result")));
        out.flush();
        List<GoldenResult> results = Goldens.replayAll(cases, result -> {
            GoldenCheck worst = result.worst();
            out.println(format.formatted(
                    result.kind(),
                    result.name(),
                    worst.check(),
                    number(worst.error()),
                    number(worst.tolerance()),
                    result.ok() ? terminal.paint(GREEN, "ok") : terminal.paint(RED, "FAILED")));
            out.flush();
        });
        long failed = results.stream().filter(result -> !result.ok()).count();
        out.println(
                failed == 0
                        ? "%d of %d cases hold".formatted(results.size(), results.size())
                        : "%d of %d cases FAILED".formatted(failed, results.size()));
        out.flush();
        return results;
    }

    private static int width(List<String> values, String heading) {
        return Math.max(
                heading.length(), values.stream().mapToInt(String::length).max().orElse(0));
    }

    private static String number(double value) {
        return value == 0 ? "0" : String.format(Locale.ROOT, "%.2e", value);
    }
}
