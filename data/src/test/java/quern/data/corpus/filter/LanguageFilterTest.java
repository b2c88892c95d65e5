package quern.data.corpus.filter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.data.corpus.Corpora;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Languages;
import quern.recipe.Position;
import quern.recipe.QuernException;

class LanguageFilterTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "en | The loaf rises in the warm kitchen while the oven slowly becomes hot enough.",
                "de | Der Teig geht in der warmen Küche auf, während der Ofen langsam heiß genug wird.",
                "fr | La pâte lève dans la cuisine chaude pendant que le four devient assez chaud.",
                "es | La masa sube en la cocina caliente mientras el horno se calienta lentamente.",
                "it | L'impasto lievita nella cucina calda mentre il forno diventa abbastanza caldo.",
                "ru | Тесто поднимается на тёплой кухне, пока печь медленно нагревается.",
                "zh | 面团在温暖的厨房里慢慢发酵，同时烤箱也渐渐变热，可以烤面包了。",
                "ja | オーブンがゆっくり熱くなる間に、暖かい台所で生地が膨らみます。",
                "ar | يرتفع العجين في المطبخ الدافئ بينما يسخن الفرن ببطء حتى يصبح جاهزا",
                "hi | रसोई में आटा धीरे धीरे फूल रहा है और तंदूर गरम हो रहा है",
                "fa | این یک متن فارسی است که برای آزمایش نوشته شده است و ما به پارک می‌رویم.",
                "tr | Fırın yavaşça ısınırken hamur sıcak mutfakta kabarıyor ve hazır oluyor."
            })
    void languagesAreToldAndLabelled(String code, String text) {
        Verdict.Replace verdict = assertInstanceOf(Verdict.Replace.class, Corpora.judge(new LanguageFilter(), text));
        assertEquals(code, verdict.document().labels().get("language"));
        assertEquals(
                code.equals("en") ? "" : "other_language",
                Corpora.reason(new LanguageFilter(), text, "keep", List.of("eng")));
    }

    @Test
    void theUnsureGo() {
        assertEquals("unsure", Corpora.reason(new LanguageFilter(), "42 43 44", "min_confidence", 0.9));
        // Fewer languages to choose from make the choice surer.
        String text = "Der Teig geht in der warmen Küche auf";
        Languages.Guess free = Languages.get().identify(text, Set.of());
        Languages.Guess among = Languages.get().identify(text, Set.of("en", "de"));
        assertEquals("de", free.language());
        assertEquals("de", among.language());
        assertTrue(among.confidence() > 2 * free.confidence() && among.confidence() < 1, free + " " + among);
        assertEquals(new Languages.Guess("und", 0), Languages.get().identify("Тесто", Set.of("en", "de")));
    }

    @Test
    void unknownLanguagesAreRefused() {
        QuernException unknown = assertThrows(
                QuernException.class,
                () -> new LanguageFilter()
                        .check(
                                Corpora.config(new LanguageFilter(), "keep", List.of("english")),
                                Position.of("r.yaml:3")));
        assertTrue(unknown.getMessage().startsWith("r.yaml:3: "), unknown.getMessage());
        assertTrue(unknown.getMessage().contains("'english' is not a language"), unknown.getMessage());
        assertThrows(
                QuernException.class,
                () -> Corpora.judge(new LanguageFilter(), "x", "keep", List.of("en"), "among", List.of("de")));
    }

    @Test
    void whatCanBeKeptCanBeFound() {
        // A second code of a language, under which nothing is ever found, is none.
        assertTrue(Languages.get().known().containsAll(Set.of("fa", "mg")));
        assertFalse(Languages.get().known().contains("pes"));
        assertEquals("fa", Languages.code("pes"));
    }
}
