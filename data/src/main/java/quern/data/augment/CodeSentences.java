package quern.data.augment;

import java.util.ArrayList;
import java.util.List;

/** Code between lines of three backticks, as sentences that say how far each line is indented. */
final class CodeSentences {
    private static final String FENCE = "```";
    private static final String HEAD = "The code, %d lines%s, is as follows.";

    private CodeSentences() {}

    static int tell(List<String> lines, int at, List<String> told) {
        String first = lines.get(at);
        if (!first.startsWith(FENCE)) {
            return at;
        }
        int end = at + 1;
        while (end < lines.size() && !lines.get(end).equals(FENCE)) {
            end++;
        }
        String language = first.substring(FENCE.length());
        if (end == lines.size() || !language.matches("[\\w+#.-]{0,30}")) {
            return at;
        }
        told.add(HEAD.formatted(end - at - 1, language.isEmpty() ? "" : " of " + language));
        for (int i = at + 1; i < end; i++) {
            String line = lines.get(i);
            int spaces = 0;
            while (spaces < line.length() && line.charAt(spaces) == ' ') {
                spaces++;
            }
            told.add("Line %d of the code is %d spaces, then %s".formatted(i - at, spaces, line.substring(spaces)));
        }
        return end + 1;
    }

    static int restore(List<String> lines, int at, List<String> restored) {
        String head = lines.get(at);
        if (!head.matches("The code, \\d{1,9} lines(?: of [\\w+#.-]{1,30})?, is as follows\\.")) {
            return at;
        }
        int count = Integer.parseInt(head.substring("The code, ".length(), head.indexOf(" lines")));
        int of = head.indexOf(" of ");
        List<String> code = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            String begin = "Line %d of the code is ".formatted(i);
            if (at + i >= lines.size() || !lines.get(at + i).startsWith(begin)) {
                return at;
            }
            String rest = lines.get(at + i).substring(begin.length());
            int then = rest.indexOf(" spaces, then ");
            if (then < 1 || !rest.substring(0, then).matches("\\d{1,6}")) {
                return at;
            }
            code.add(" ".repeat(Integer.parseInt(rest.substring(0, then)))
                    + rest.substring(then + " spaces, then ".length()));
        }
        restored.add(FENCE + (of < 0 ? "" : head.substring(of + 4, head.length() - ", is as follows.".length())));
        restored.addAll(code);
        restored.add(FENCE);
        return at + count + 1;
    }
}
