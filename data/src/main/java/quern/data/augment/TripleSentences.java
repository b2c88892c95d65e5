package quern.data.augment;

import java.util.List;

/** Triples as sentences: {@code The capital of France is Paris.} */
final class TripleSentences {
    private TripleSentences() {}

    static int tell(List<String> lines, int at, List<String> told) {
        String[] parts = lines.get(at).split("\t", -1);
        if (parts.length != 3 || parts[0].isEmpty() || parts[1].isEmpty() || parts[2].isEmpty()) {
            return at;
        }
        told.add("The %s of %s is %s."
                .formatted(Phrase.write(parts[1]), Phrase.write(parts[0]), Phrase.write(parts[2])));
        return at + 1;
    }

    static int restore(List<String> lines, int at, List<String> restored) {
        String line = lines.get(at);
        if (!line.startsWith("The ") || !line.endsWith(".")) {
            return at;
        }
        String inner = line.substring("The ".length(), line.length() - 1);
        int of = Phrase.find(inner, " of ", 0);
        int is = Phrase.find(inner, " is ", 0);
        if (of < 0 || is < of + 4) {
            return at;
        }
        restored.add("%s\t%s\t%s"
                .formatted(
                        Phrase.read(inner.substring(of + 4, is)),
                        Phrase.read(inner.substring(0, of)),
                        Phrase.read(inner.substring(is + 4))));
        return at + 1;
    }
}
