package quern.data.corpus.filter;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.PersonalData;
import quern.recipe.Default;
import quern.recipe.Doc;

/**
 * Masks personal data: e-mail addresses, IP addresses, telephone numbers and numbers of payment cards become tokens such
 * as {@code <email>}, and are counted. A card number has 13 to 19 digits whose last one is right by Luhn's formula
 * (ISO/IEC 7812-1). Every scan takes time linear in the text.
 */
public final class PiiFilter implements DocumentFilter {
    /** What is masked. */
    public enum Kind {
        /** Addresses of e-mail. */
        EMAIL,
        /** IPv4 and IPv6 addresses; those of private and special networks stay. */
        IP,
        /** Telephone numbers with a country's code, or in the form of North America. */
        PHONE,
        /** Numbers of payment cards. */
        CARD;

        String token() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * @param kinds what is masked
     * @param mask what takes its place; {@code %s} is the kind
     */
    public record Config(
            @Doc("What is masked: email, ip, phone, card.") @Default("[email, ip, phone, card]")
            List<Kind> kinds,

            @Doc("What takes its place; %s is the kind.") @Default("<%s>")
            String mask) {
        /** Refuses an empty list. */
        public Config {
            kinds = List.copyOf(kinds);
            if (kinds.isEmpty()) {
                throw new IllegalArgumentException("kinds: empty; name what to mask, or leave the stage out");
            }
            if (mask.replace("%s", "").indexOf('%') >= 0) {
                throw new IllegalArgumentException("mask: the only placeholder is %s");
            }
        }
    }

    @Override
    public String id() {
        return "pii";
    }

    @Override
    public String summary() {
        return "masks e-mail and IP addresses, telephone and card numbers";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        Set<Kind> kinds = EnumSet.copyOf(own.kinds());
        return document -> judge(document, kinds, own.mask());
    }

    private static Verdict judge(CorpusDocument document, Set<Kind> kinds, String mask) {
        String text = document.text();
        List<PersonalData.Span> spans = new ArrayList<>();
        if (kinds.contains(Kind.EMAIL)) {
            PersonalData.emails(text, Kind.EMAIL.token(), spans);
        }
        if (kinds.contains(Kind.IP)) {
            PersonalData.addresses(text, Kind.IP.token(), spans);
        }
        if (kinds.contains(Kind.CARD) || kinds.contains(Kind.PHONE)) {
            PersonalData.numbers(
                    text,
                    kinds.contains(Kind.CARD) ? Kind.CARD.token() : null,
                    kinds.contains(Kind.PHONE) ? Kind.PHONE.token() : null,
                    spans);
        }
        if (spans.isEmpty()) {
            return Verdict.KEEP;
        }
        // Of two that overlap the one that begins first counts, of those the longer one.
        spans.sort((a, b) -> a.start() != b.start() ? Integer.compare(a.start(), b.start()) : b.end() - a.end());
        StringBuilder masked = new StringBuilder(text.length());
        Map<String, Long> changes = new TreeMap<>();
        int at = 0;
        for (PersonalData.Span span : spans) {
            if (span.start() < at) {
                continue;
            }
            masked.append(text, at, span.start()).append(mask.replace("%s", span.kind()));
            changes.merge(span.kind(), 1L, Long::sum);
            at = span.end();
        }
        masked.append(text, at, text.length());
        return new Verdict.Replace(document.withText(masked.toString()), changes);
    }
}
