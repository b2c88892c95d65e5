package quern.data.corpus.filter;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.corpus.Corpora;
import quern.data.corpus.Verdict;

class PiiFilterTest {
    private static String mask(String text, Object... settings) {
        return Corpora.judge(new PiiFilter(), text, settings) instanceof Verdict.Replace replace
                ? replace.document().text()
                : text;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "write to jane.doe+x@mail.example.org, please | write to <email>, please",
                "a@b.co and c_d@e-f.museum.               | <email> and <email>.",
                "mail <bob@host.example>                  | mail <<email>>",
                "from 8.8.8.8:53 to 93.184.216.34.        | from <ip>:53 to <ip>.",
                "at 2001:db8::8a2e:370:7334, again        | at <ip>, again",
                "at 2001:0db8:0:0:0:8a2e:0370:7334.       | at <ip>.",
                "call +49 30 1234 5678 now                | call <phone> now",
                "call (415) 555-2671 or 415-555-2671.     | call <phone> or <phone>.",
                "call +1-415-555-2671, 1-415-555-2671     | call <phone>, <phone>",
                "card 4111 1111 1111 1111, thanks         | card <card>, thanks",
                "card 5500-0000-0000-0004 x               | card <card> x",
                "card 378282246310005                     | card <card>"
            })
    void personalDataIsMasked(String text, String masked) {
        assertEquals(masked, mask(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "an @ sign, @handle, a@b, x@y.1, user@localhost",
                "version 1.2.3, 1.2.3.4.5, 300.1.2.3, 10.0.0.1, 192.168.1.7, 127.0.0.1",
                "at 12:30:45, std::vector, a::b, 10:20, cafe: bed",
                "4111 1111 1111 1112 is off by one, 1234567890123456 too",
                "in 1999-2004, pages 100-200, 3.14159265, 2024-05-01, 1,000,000,000",
                "order 20240501123456, ISBN 978-3-16-148410-0, 555-2671, 123-456-7890"
            })
    void otherTextStays(String text) {
        assertEquals(text, mask(text));
    }

    @Test
    void kindsAreCountedAndChosen() {
        String text = "a@b.org c@d.org 8.8.8.8 +49 30 123456 4111111111111111";
        Verdict.Replace all = (Verdict.Replace) Corpora.judge(new PiiFilter(), text);
        assertEquals(Map.of("email", 2L, "ip", 1L, "phone", 1L, "card", 1L), all.changes());
        assertEquals(
                "a@b.org c@d.org [ip] +49 30 123456 4111111111111111",
                mask(text, "kinds", List.of("ip"), "mask", "[%s]"));
        assertEquals(Verdict.KEEP, Corpora.judge(new PiiFilter(), "nothing here"));
    }
}
