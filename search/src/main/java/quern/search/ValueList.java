package quern.search;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import quern.recipe.QuernException;

/**
 * A list of values as the command line writes it: {@code adamw,lion,{optim: sgd}}. Commas inside brackets, braces and
 * quotes separate nothing. {@code a..b:n} stands for {@code n} values from {@code a} to {@code b} at equal ratios, rounded
 * to four digits, or to whole numbers where both ends are.
 */
final class ValueList {
    private static final String NUMBER = "((?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)";
    private static final Pattern RANGE = Pattern.compile(NUMBER + "\\.\\." + NUMBER + "(?::(\\d{1,6}))?");
    private static final MathContext FOUR_DIGITS = new MathContext(4, RoundingMode.HALF_EVEN);
    /** Values above this are a slip of the keyboard: each is a training. */
    private static final int MOST = 1000;

    private static final double PLAIN_FROM = 0.01;
    private static final double PLAIN_BELOW = 1e6;

    private ValueList() {}

    /**
     * The values of a list.
     *
     * @param place what messages call it
     */
    static List<String> parse(String text, String place) {
        List<String> values = new ArrayList<>();
        for (String item : split(text, place)) {
            Matcher range = RANGE.matcher(item);
            if (range.matches()) {
                values.addAll(range(range, place));
            } else {
                values.add(item);
            }
        }
        if (values.size() > MOST) {
            throw QuernException.badInput("%s: %d values, at most %d make sense", place, values.size(), MOST);
        }
        return values;
    }

    /** The parts between the commas that stand in no bracket and no quotes, without blanks around them. */
    static List<String> split(String text, String place) {
        List<String> parts = new ArrayList<>();
        int depth = 0;
        char quote = 0;
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quote != 0) {
                quote = c == quote ? 0 : quote;
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '{' || c == '[') {
                depth++;
            } else if (c == '}' || c == ']') {
                depth--;
            } else if (c == ',' && depth == 0) {
                parts.add(text.substring(start, i).strip());
                start = i + 1;
            }
            if (depth < 0) {
                break;
            }
        }
        if (depth != 0 || quote != 0) {
            throw QuernException.badInput("%s: '%s' has a bracket or quote without its other half", place, text);
        }
        parts.add(text.substring(start).strip());
        if (parts.contains("")) {
            throw QuernException.badInput("%s: '%s' has an empty value; expected values between commas", place, text);
        }
        return parts;
    }

    private static List<String> range(Matcher range, String place) {
        if (range.group(3) == null) {
            throw QuernException.badInput(
                    "%s: '%s' does not say how many values; write %s:5 for five", place, range.group(), range.group());
        }
        double from = Double.parseDouble(range.group(1));
        double to = Double.parseDouble(range.group(2));
        int n = Integer.parseInt(range.group(3));
        if (!(from > 0 && from < to) || n < 2 || n > MOST) {
            throw QuernException.badInput(
                    "%s: '%s': expected a..b:n with 0 < a < b and 2 to %d values", place, range.group(), MOST);
        }
        boolean whole = isWhole(range.group(1)) && isWhole(range.group(2));
        List<String> values = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            double value = from * Math.pow(to / from, (double) i / (n - 1));
            String shown = i == 0
                    ? range.group(1)
                    : i == n - 1 ? range.group(2) : whole ? Long.toString(Math.round(value)) : number(value);
            if (!values.isEmpty() && values.getLast().equals(shown)) {
                throw QuernException.badInput(
                        "%s: '%s': %d whole numbers do not fit in there; ask for fewer", place, range.group(), n);
            }
            values.add(shown);
        }
        return values;
    }

    private static boolean isWhole(String number) {
        return number.chars().allMatch(Character::isDigit);
    }

    /** A positive number with at most four digits, in YAML: {@code 3.162e-4}. */
    static String number(double value) {
        BigDecimal rounded = new BigDecimal(value).round(FOUR_DIGITS).stripTrailingZeros();
        if (value >= PLAIN_FROM && value < PLAIN_BELOW) {
            return rounded.toPlainString();
        }
        int exponent = rounded.precision() - rounded.scale() - 1;
        return rounded.movePointLeft(exponent).stripTrailingZeros().toPlainString() + "e" + exponent;
    }
}
