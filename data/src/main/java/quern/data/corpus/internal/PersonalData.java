package quern.data.corpus.internal;

import java.util.List;

/** Finds personal data by its form, in time linear in the text. */
public final class PersonalData {
    private static final int MOST_LOCAL = 64;
    private static final int MOST_DOMAIN = 255;
    private static final int MOST_LABEL = 63;
    private static final int MOST_DIGITS = 19;
    private static final int LEAST_CARD = 13;
    private static final int LEAST_PHONE = 8;
    private static final int MOST_PHONE = 15;
    private static final int IPV6_GROUPS = 8;

    private PersonalData() {}

    /** A find: from {@code start} up to {@code end}. */
    public record Span(int start, int end, String kind) {}

    /** E-mail addresses: a local part of letters, digits and {@code ._%+-}, and a domain with a dot. */
    public static void emails(String text, String kind, List<Span> spans) {
        int free = 0;
        for (int at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
            int start = at;
            while (start > free && at - start < MOST_LOCAL && isLocal(text.charAt(start - 1))) {
                start--;
            }
            while (start < at && text.charAt(start) == '.') {
                start++;
            }
            int end = domain(text, at + 1);
            if (start < at && end > 0) {
                spans.add(new Span(start, end, kind));
                free = end;
            }
        }
    }

    private static boolean isLocal(char c) {
        return isAlphanumeric(c) || "._%+-".indexOf(c) >= 0;
    }

    private static boolean isAlphanumeric(char c) {
        return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
    }

    /** Where a domain name that starts here ends; 0 where there is none. */
    private static int domain(String text, int from) {
        int end = 0;
        int label = from;
        int labels = 0;
        for (int i = from; i <= text.length() && i - from <= MOST_DOMAIN; i++) {
            char c = i < text.length() ? text.charAt(i) : ' ';
            if (isAlphanumeric(c) || c == '-') {
                continue;
            }
            int length = i - label;
            boolean valid =
                    length > 0 && length <= MOST_LABEL && text.charAt(label) != '-' && text.charAt(i - 1) != '-';
            if (!valid) {
                return end;
            }
            labels++;
            // The last label has letters only, two at least.
            if (labels >= 2 && length >= 2 && areLetters(text, label, i)) {
                end = i;
            }
            if (c != '.') {
                return end;
            }
            label = i + 1;
        }
        return end;
    }

    private static boolean areLetters(String text, int from, int to) {
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (!(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')) {
                return false;
            }
        }
        return true;
    }

    /** IPv4 and IPv6 addresses of public networks. */
    public static void addresses(String text, String kind, List<Span> spans) {
        int i = 0;
        while (i < text.length()) {
            char c = text.charAt(i);
            boolean part = isHex(c) || c == ':';
            if (!part) {
                i++;
                continue;
            }
            int end = i;
            boolean colons = false;
            boolean dots = false;
            while (end < text.length() && (isAlphanumeric(text.charAt(end)) || ".:_".indexOf(text.charAt(end)) >= 0)) {
                colons |= text.charAt(end) == ':';
                dots |= text.charAt(end) == '.';
                end++;
            }
            boolean begins = i == 0 || !isAlphanumeric(text.charAt(i - 1)) && ".:_-".indexOf(text.charAt(i - 1)) < 0;
            if (begins && (colons || dots)) {
                int from = i;
                int to = end;
                // A sentence's end, or the colon before what follows.
                while (to > from
                        && (text.charAt(to - 1) == '.' || text.charAt(to - 1) == ':' && !endsDouble(text, from, to))) {
                    to--;
                }
                int v4 = ipv4(text, from, to);
                if (v4 > 0) {
                    spans.add(new Span(from, v4, kind));
                } else if (isIpv6(text, from, to)) {
                    spans.add(new Span(from, to, kind));
                }
            }
            i = Math.max(end, i + 1);
        }
    }

    private static boolean endsDouble(String text, int from, int to) {
        return to - from >= 2 && text.charAt(to - 2) == ':';
    }

    private static boolean isHex(char c) {
        return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F';
    }

    /** Where the public IPv4 address ends that the run is, a port aside; 0 where it is none. */
    private static int ipv4(String text, int from, int to) {
        int[] bytes = new int[4];
        int n = 0;
        int digits = 0;
        int value = 0;
        int i = from;
        for (; i < to; i++) {
            char c = text.charAt(i);
            if (c >= '0' && c <= '9') {
                value = value * 10 + c - '0';
                if (++digits > 3 || value > 255) {
                    return 0;
                }
            } else if (c == '.' && digits > 0 && n < 3) {
                bytes[n++] = value;
                digits = 0;
                value = 0;
            } else {
                break;
            }
        }
        if (n != 3 || digits == 0 || i < to && text.charAt(i) != ':') {
            return 0;
        }
        bytes[3] = value;
        boolean special = bytes[0] == 10
                || bytes[0] == 127
                || bytes[0] == 0
                || bytes[0] >= 224
                || bytes[0] == 192 && bytes[1] == 168
                || bytes[0] == 169 && bytes[1] == 254
                || bytes[0] == 172 && bytes[1] >= 16 && bytes[1] < 32;
        return special ? 0 : i;
    }

    /** Whether the run is an IPv6 address (RFC 4291, without the mixed form) of three groups or more. */
    private static boolean isIpv6(String text, int from, int to) {
        int groups = 0;
        int digits = 0;
        boolean gap = false;
        boolean letters = false;
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (isHex(c)) {
                letters |= c > '9';
                if (++digits > 4) {
                    return false;
                }
                groups += digits == 1 ? 1 : 0;
            } else if (c == ':') {
                if (i + 1 < to && text.charAt(i + 1) == ':') {
                    if (gap) {
                        return false;
                    }
                    gap = true;
                    i++;
                } else if (digits == 0) {
                    return false;
                }
                digits = 0;
            } else {
                return false;
            }
        }
        // Times of day (12:30:45) have no gap; a gap alone (std::vector) has few digits.
        return gap
                ? groups >= 3 && groups < IPV6_GROUPS || groups == 2 && letters && to - from > 8
                : groups == IPV6_GROUPS;
    }

    /**
     * Numbers of cards and telephones.
     *
     * @param card the kind of the former; null to leave them
     * @param phone the kind of the latter; null to leave them
     */
    public static void numbers(String text, String card, String phone, List<Span> spans) {
        int i = 0;
        while (i < text.length()) {
            char c = text.charAt(i);
            boolean begins =
                    isDigit(c) || (c == '+' || c == '(') && i + 1 < text.length() && isDigit(text.charAt(i + 1));
            if (!begins) {
                i++;
                continue;
            }
            int end = run(text, i);
            if (i == 0 || !isAlphanumeric(text.charAt(i - 1)) && "._/".indexOf(text.charAt(i - 1)) < 0) {
                boolean closed = end == text.length() || !isAlphanumeric(text.charAt(end)) && text.charAt(end) != '_';
                if (closed) {
                    inRun(text, i, end, card, phone, spans);
                }
            }
            i = Math.max(end, i + 1);
        }
    }

    /** Numbers in a run, which are divided by blanks where there are several; of those from one place the longest. */
    private static void inRun(String text, int from, int end, String card, String phone, List<Span> spans) {
        int start = from;
        while (start < end) {
            Span longest = null;
            int digits = 0;
            for (int i = start; i < end && digits <= MOST_DIGITS; i++) {
                digits += isDigit(text.charAt(i)) ? 1 : 0;
                boolean border = i + 1 == end || isDigit(text.charAt(i)) && isBlank(text.charAt(i + 1));
                String kind = border ? kind(text, start, i + 1, card, phone) : null;
                if (kind != null) {
                    longest = new Span(start, i + 1, kind);
                }
            }
            if (longest != null) {
                spans.add(longest);
                start = longest.end();
            }
            while (start < end && !isBlank(text.charAt(start))) {
                start++;
            }
            while (start < end && isBlank(text.charAt(start))) {
                start++;
            }
        }
    }

    private static boolean isBlank(char c) {
        return c == ' ' || c == '\u00a0';
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    /** The end of a run of digits with at most two separators between two of them; it ends in a digit. */
    private static int run(String text, int from) {
        int end = from + 1;
        int last = isDigit(text.charAt(from)) ? from + 1 : from;
        while (end < text.length() && end - last <= 2) {
            char c = text.charAt(end);
            if (isDigit(c)) {
                last = end + 1;
            } else if (" -.()/\u00a0".indexOf(c) < 0) {
                break;
            }
            end++;
        }
        return Math.max(last, from + 1);
    }

    private static String kind(String text, int from, int end, String card, String phone) {
        int digits = 0;
        StringBuilder plain = new StringBuilder();
        StringBuilder form = new StringBuilder();
        for (int i = from; i < end; i++) {
            char c = text.charAt(i);
            if (isDigit(c)) {
                if (++digits > MOST_DIGITS) {
                    return null;
                }
                plain.append(c);
                form.append('d');
            } else {
                form.append(c == '\u00a0' ? ' ' : c);
            }
        }
        if (card != null && digits >= LEAST_CARD && isCard(plain, form)) {
            return card;
        }
        return phone != null && isPhone(digits, plain, form.toString()) ? phone : null;
    }

    private static boolean isCard(CharSequence digits, CharSequence form) {
        boolean plainForm = form.chars().allMatch(c -> c == 'd' || c == ' ' || c == '-');
        // Issuers of payment cards begin with 2 to 6.
        return plainForm && digits.charAt(0) >= '2' && digits.charAt(0) <= '6' && luhn(digits);
    }

    /** Whether the last digit is the check digit of those before it (Luhn, ISO/IEC 7812-1 annex B). */
    static boolean luhn(CharSequence digits) {
        int sum = 0;
        for (int i = 0; i < digits.length(); i++) {
            int digit = digits.charAt(digits.length() - 1 - i) - '0';
            int doubled = i % 2 == 1 ? 2 * digit : digit;
            sum += doubled > 9 ? doubled - 9 : doubled;
        }
        return sum % 10 == 0;
    }

    private static boolean isPhone(int digits, CharSequence plain, String form) {
        if (form.startsWith("+")) {
            return digits >= LEAST_PHONE && digits <= MOST_PHONE && plain.charAt(0) != '0' && form.indexOf('/') < 0;
        }
        return switch (form) {
            case "(ddd) ddd-dddd",
                    "(ddd)ddd-dddd",
                    "ddd-ddd-dddd",
                    "ddd.ddd.dddd",
                    "(ddd) ddd dddd",
                    "d-ddd-ddd-dddd",
                    "d (ddd) ddd-dddd",
                    "d.ddd.ddd.dddd" -> {
                // North America's area codes and exchanges begin with 2 to 9.
                int area = digits - 10;
                yield plain.charAt(area) >= '2' && plain.charAt(area + 3) >= '2';
            }
            default -> false;
        };
    }
}
