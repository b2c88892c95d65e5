package quern.data.internal;

import java.util.ArrayList;
import java.util.List;

/** Groups texts so that the native encodings of a group, many times the size of its text, fit in memory. */
public final class TextBatches {
    /** Characters in a group; a longer text is a group of its own. */
    private static final int CHARACTERS = 1 << 21;

    private TextBatches() {}

    /** The texts in order, in groups. */
    public static List<List<String>> of(List<String> texts) {
        List<List<String>> groups = new ArrayList<>();
        int from = 0;
        long size = 0;
        for (int i = 0; i < texts.size(); i++) {
            if (size > 0 && size + texts.get(i).length() > CHARACTERS) {
                groups.add(texts.subList(from, i));
                from = i;
                size = 0;
            }
            size += texts.get(i).length();
        }
        if (from < texts.size()) {
            groups.add(texts.subList(from, texts.size()));
        }
        return groups;
    }
}
