package quern.data.augment;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import quern.data.internal.Mix;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * Words and phrases with what may be said instead. A phrase is found where its words follow each other with one space
 * between them, upper and lower case alike; the longest counts. What replaces it begins as it did, with a capital or all in
 * capitals.
 */
final class PhraseTable {
    private final Map<String, List<String>> others;
    private final int longest;

    private PhraseTable(Map<String, Set<String>> others) {
        this.others = new TreeMap<>();
        int words = 0;
        for (Map.Entry<String, Set<String>> entry : others.entrySet()) {
            Set<String> rest = new LinkedHashSet<>(entry.getValue());
            rest.remove(entry.getKey());
            if (!rest.isEmpty()) {
                this.others.put(entry.getKey(), List.copyOf(rest));
                words = Math.max(words, WordText.of(entry.getKey()).words.size());
            }
        }
        this.longest = words;
    }

    /** Lines of phrases that mean the same, divided by commas. */
    static PhraseTable alike(Optional<Path> file, String built) {
        Map<String, Set<String>> table = new TreeMap<>();
        int number = 0;
        for (String line : lines(file, built)) {
            number++;
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            List<String> group = phrases(line, ",", where(file, built, number));
            if (group.size() < 2) {
                throw QuernException.badInput(
                        "%s: one phrase alone; expected two or more that mean the same, divided by commas",
                        where(file, built, number));
            }
            group.forEach(phrase ->
                    table.computeIfAbsent(phrase, p -> new LinkedHashSet<>()).addAll(group));
        }
        return some(table, file, built);
    }

    /**
     * Lines of a phrase, a tab and its translations divided by commas: phrases that have a translation in common may stand for
     * each other, as if one were translated there and back.
     */
    static PhraseTable throughTranslations(Optional<Path> file, String built) {
        Map<String, Set<String>> forth = new TreeMap<>();
        Map<String, Set<String>> back = new TreeMap<>();
        int number = 0;
        for (String line : lines(file, built)) {
            number++;
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            String where = where(file, built, number);
            String[] sides = line.split("\t", -1);
            if (sides.length != 2) {
                throw QuernException.badInput(
                        "%s: %d tabs; expected a phrase, a tab and its translations divided by commas",
                        where, sides.length - 1);
            }
            for (String phrase : phrases(sides[0], ",", where)) {
                for (String translation : phrases(sides[1], ",", where)) {
                    forth.computeIfAbsent(phrase, p -> new LinkedHashSet<>()).add(translation);
                    back.computeIfAbsent(translation, p -> new LinkedHashSet<>())
                            .add(phrase);
                }
            }
        }
        Map<String, Set<String>> table = new TreeMap<>();
        forth.forEach((phrase, translations) -> {
            Set<String> returned = table.computeIfAbsent(phrase, p -> new LinkedHashSet<>());
            translations.forEach(translation -> returned.addAll(back.get(translation)));
        });
        return some(table, file, built);
    }

    private static PhraseTable some(Map<String, Set<String>> phrases, Optional<Path> file, String built) {
        PhraseTable table = new PhraseTable(phrases);
        if (table.others.isEmpty()) {
            throw QuernException.badInput(
                    "%s: no phrase in it may stand for another",
                    file.map(Path::toString).orElse(built));
        }
        return table;
    }

    private static String where(Optional<Path> file, String built, int line) {
        return "%s, line %d".formatted(file.map(Path::toString).orElse(built), line);
    }

    private static List<String> phrases(String line, String divider, String where) {
        List<String> phrases = new ArrayList<>();
        for (String phrase : line.split(divider, -1)) {
            String plain = phrase.strip().toLowerCase(Locale.ROOT);
            if (plain.isEmpty()) {
                throw QuernException.badInput("%s: an empty phrase; expected words between the commas", where);
            }
            phrases.add(plain);
        }
        return phrases;
    }

    private static List<String> lines(Optional<Path> file, String built) {
        try {
            if (file.isPresent()) {
                return Files.readAllLines(file.get()).stream()
                        .map(String::strip)
                        .toList();
            }
        } catch (CharacterCodingException e) {
            throw new QuernException(ExitCode.BAD_INPUT, file.get() + ": not UTF-8 text; convert the table", e);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.BAD_INPUT, file.get() + ": the table can not be read; name a file of phrases", e);
        }
        try (InputStream in = PhraseTable.class.getResourceAsStream(built);
                BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
            return reader.lines().map(String::strip).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Replaces phrases of the table, each with probability {@code share}. Counts words. */
    Augmentation.Change replace(String text, long key, double share) {
        WordText parts = WordText.of(text);
        int count = parts.words.size();
        StringBuilder other = new StringBuilder(text.length());
        int changed = 0;
        for (int i = 0; i < count; ) {
            other.append(parts.gaps.get(i));
            int words = found(parts, i);
            if (words == 0 || Mix.unit(key, 2L * i) >= share) {
                other.append(parts.words.get(i));
                i++;
                continue;
            }
            String phrase = phrase(parts, i, words);
            List<String> choice = others.get(phrase.toLowerCase(Locale.ROOT));
            other.append(cased(choice.get((int) Mix.below(key, 2L * i + 1, choice.size())), phrase));
            changed += words;
            i += words;
        }
        return new Augmentation.Change(other.append(parts.gaps.getLast()).toString(), count, changed);
    }

    /** The words of the longest phrase that begins at a word; 0 where none does. */
    private int found(WordText parts, int from) {
        int most = 1;
        while (most < longest
                && from + most < parts.words.size()
                && parts.gaps.get(from + most).equals(" ")) {
            most++;
        }
        for (int words = most; words > 0; words--) {
            if (others.containsKey(phrase(parts, from, words).toLowerCase(Locale.ROOT))) {
                return words;
            }
        }
        return 0;
    }

    private static String phrase(WordText parts, int from, int words) {
        return words == 1 ? parts.words.get(from) : String.join(" ", parts.words.subList(from, from + words));
    }

    private static String cased(String other, String as) {
        if (as.length() > 1 && as.equals(as.toUpperCase(Locale.ROOT)) && !as.equals(as.toLowerCase(Locale.ROOT))) {
            return other.toUpperCase(Locale.ROOT);
        }
        int first = as.codePointAt(0);
        if (!Character.isUpperCase(first)) {
            return other;
        }
        int begin = other.codePointAt(0);
        return new StringBuilder()
                .appendCodePoint(Character.toUpperCase(begin))
                .append(other, Character.charCount(begin), other.length())
                .toString();
    }
}
