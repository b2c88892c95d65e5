package quern.data.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.template.JinjaTemplate.Rendered;
import quern.data.template.JinjaTemplate.Span;

/** What templates refuse, where they end, and what they mark; what they render is in the golden cases. */
class JinjaTemplateTest {
    /** Any of the hostile templates below stops far sooner; a machine under load needs some room. */
    private static final Duration SOON = Duration.ofSeconds(30);

    private static String render(String template, Map<String, ?> variables) {
        return JinjaTemplate.parse(template).render(variables).text();
    }

    private static TemplateException failure(String template) {
        return assertThrows(TemplateException.class, () -> render(template, Map.of("list", List.of(1, 2))));
    }

    @Test
    void whiteSpaceAroundTagsGoesAsTheirSignsSay() {
        assertEquals("a\nb\n", render("a\n  {% if true %}\nb\n  {% endif %}\n\n", Map.of()));
        assertEquals("a\n  b", render("a\n  {%+ if true %}b{% endif %}", Map.of()));
        assertEquals("ab", render("a  \n {%- if true -%} \n b{% endif %}", Map.of()));
        assertEquals("x \n", render("{{ 'x' }} \n\n", Map.of()));
        assertEquals("a\n\nb", render("a\n{# gone #}\n\nb", Map.of()));
        assertEquals("a\nb", render("a\r\nb\r\n", Map.of()));
    }

    @Test
    void marksOfGenerationAreOffsetsOfTheText() {
        Rendered made = JinjaTemplate.parse(
                        "{% for m in list %}🙂<{% generation %}{{ m }}!{% endgeneration %}>{% endfor %}{% generation %}{% endgeneration %}")
                .render(Map.of("list", List.of("ab", "c")));
        assertEquals("🙂<ab!>🙂<c!>", made.text());
        assertEquals(List.of(new Span(3, 6), new Span(10, 12)), made.generated());
        assertEquals("ab!", made.text().substring(3, 6));
        assertTrue(JinjaTemplate.parse("{% if x %}{% generation %}{% endgeneration %}{% endif %}")
                .marksGeneration());
        assertFalse(
                JinjaTemplate.parse("{# {% generation %} #}{{ 'generation' }}").marksGeneration());
        TemplateException hidden =
                failure("{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}\n{{ m() }}");
        assertTrue(hidden.getMessage().contains("the place of its text is not known"), hidden.getMessage());
    }

    private static final List<Map<String, String>> MESSAGES = List.of(
            Map.of("role", "user", "content", "a"),
            Map.of("role", "assistant", "content", "b"),
            Map.of("role", "user", "content", "c"),
            Map.of("role", "tool", "content", "d"),
            Map.of("role", "assistant", "content", "e"));

    private static Optional<JinjaTemplate.Growing> growing(String template) {
        return JinjaTemplate.parse(template)
                .growing(Map.of("messages", MESSAGES, "eos", "</s>"), "messages", "ask", LocalDateTime::now);
    }

    /** One rendering tells what each beginning of the list would give. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos }}{% endfor %}{% if ask %}<assistant>{% endif %}",
                "{% set all = messages %}{% for m in all %}{{ '>' if loop.first else loop.index0 }}{{ m.content }}{% endfor %}",
                "{% if messages[0].role == 'user' %}!{% endif %}{% for m in messages %}{{ m.content }}{% if m.role == 'tool' %}"
                        + "{% break %}{% endif %}{% endfor %}.{{ '?' if ask }}",
                "{% set n = namespace(k=0) %}{% for m in messages %}{% set n.k = n.k + 1 %}{{ n.k }}{{ messages[0].content }}"
                        + "{% endfor %}",
                "{% macro w(m) %}[{{ m.content }}]{% endmacro %}{% for m in messages %}{% if m.role != 'tool' %}{{ w(m) }}"
                        + "{% else %}{% for c in m.content %}{{ c }}{% endfor %}{% endif %}{% endfor %}{{ eos }}{{ ask }}"
            })
    void aTextThatGrowsIsRenderedOnce(String template) {
        JinjaTemplate.Growing all = growing(template).orElseThrow();
        assertEquals(MESSAGES.size() + 1, all.starts().length);
        for (int count = 1; count <= MESSAGES.size(); count++) {
            String beginning = all.text().substring(0, all.starts()[count]);
            for (boolean ask : new boolean[] {false, true}) {
                assertEquals(
                        render(template, Map.of("messages", MESSAGES.subList(0, count), "eos", "</s>", "ask", ask)),
                        beginning + (ask ? all.flaggedTail() : all.tail()));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for m in messages %}{{ m.content }}{% if loop.last %}{{ eos }}{% endif %}{% endfor %}",
                "{% for m in messages %}{{ m.content }}{% if loop.last and ask %}<assistant>{% endif %}{% endfor %}",
                "{% for m in messages %}{{ loop.length }}{% endfor %}",
                "{% for m in messages %}{{ loop }}{% endfor %}",
                "{% for m in messages %}{{ m.content }}{% if ask %}!{% endif %}{% endfor %}",
                "{% for m in messages %}{{ m.content if m == messages[-1] }}{% endfor %}",
                "{{ messages|length }}{% for m in messages %}{{ m.content }}{% endfor %}",
                "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages[0].content }}{{ messages|length }}",
                "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
                "{% for m in messages[1:] %}{{ m.content }}{% endfor %}",
                "{% if true %}{% for m in messages %}{{ m.content }}{% endfor %}{% endif %}",
                "{% for m in messages %}{{ m.content }}{% else %}none{% endfor %}",
                "{% set n = namespace(k=0) %}{% for m in messages %}{% set n.k = n.k + 1 %}{% endfor %}{{ n.k }}",
                "{% set all = messages %}{% set all = all[1:] %}{% for m in all %}{{ m.content }}{% endfor %}",
                "{% set f = 'ask' %}{% for m in messages %}{{ m.content }}{% endfor %}",
                "{{ eos }}"
            })
    void aTextThatMayChangeWithWhatFollowsIsNot(String template) {
        assertTrue(growing(template).isEmpty());
    }

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", quoteCharacter = '~', textBlock = """
            {% if x %} => 1 => the template ends within a statement; expected 'elif' or 'else' or 'endif'
            {{ x => 1 => a tag is not closed; expected '}}'
            {{ 'x }} => 1 => a string is not closed; expected '
            {# x => 1 => a comment is not closed; expected '#}'
            {% raw %} => 1 => raw is not closed; expected '{% endraw %}'
            {{ a b }} => 1 => expected end of print statement, found 'b'
            {{ }} => 1 => expected an expression, found end of print statement
            {{ (1, }} => 1 => unexpected '}'; expected ')'
            {{ a) }} => 1 => unexpected ')'
            {{ ? }} => 1 => unexpected character '?'
            {% frob %} => 1 => unknown tag 'frob'
            {% include 'x' %} => 1 => 'include' has no place in a chat template
            {% break %} => 1 => 'break' stands outside of a loop
            {% set true = 1 %} => 1 => can't assign to 'true'
            {{ f(a=1, 2) }} => 1 => a positional argument stands behind a named one
            {% macro m(a=1, b) %}{% endmacro %} => 1 => a parameter without default stands behind one with a default
            {{ x is string is string }} => 1 => tests can't follow each other
            {{ '\\u12' }} => 1 => a string has a wrong escape sequence
            """)
    void whatIsNoTemplateSaysWhere(String template, int line, String message) {
        TemplateException e = assertThrows(TemplateException.class, () -> JinjaTemplate.parse("\n" + template));
        assertEquals(TemplateException.Kind.SYNTAX, e.problem());
        assertEquals(line + 1, e.line());
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", quoteCharacter = '~', textBlock = """
            {{ 'a'|frobnicate }} => unknown filter 'frobnicate'; there are
            {{ 'a' is frobnicated }} => unknown test 'frobnicated'; there are
            {{ x.y }} => 'x' is undefined
            {{ list.y.z }} => a list has no 'y'
            {{ x() }} => 'x' is undefined
            {{ 1() }} => a whole number can't be called
            {{ 'a' + 1 }} => '+' does not work between a string and a whole number
            {{ x + 1 }} => 'x' is undefined
            {{ 1 < 'a' }} => '<' does not work between a whole number and a string
            {{ 1 in 'a' }} => only a string can be in a string
            {{ 1 // 0 }} => division by zero
            {{ 5 % 0 }} => division by zero
            {{ list.append(3) }} => 'append' would change a list
            {{ {'a': 1}.update({}) }} => 'update' would change a mapping
            {% set list.x = 1 %} => 'list' is no namespace
            {% set a, b = [1] %} => only 1 values for 2 names
            {% for a in 3 %}{% endfor %} => a whole number can't be iterated over
            {{ none|length }} => None has no length
            {{ list|map('upper')|length }} => a generator has no length
            {{ list|select('odd') }} => a generator can't be printed
            {{ range }} => a function can't be printed
            {{ [x]|tojson }} => something undefined can't be written as JSON
            {{ 'a'.join(list) }} => join needs a string, found a whole number
            {{ '%d' % 'a' }} => '%d' needs a number, found a string
            {{ '{}'.format() }} => format: no value number 0
            {{ 'a'.split('') }} => split: the separator is empty
            {{ namespace(_x=1) }} => a namespace can't hold '_x'
            {% macro m(a) %}{% endmacro %}{{ m(1, 2) }} => macro m takes at most 1 arguments, found 2
            {% macro m(a) %}{% endmacro %}{{ m(b=2) }} => macro m has no parameter 'b'
            """)
    void whatValuesDoNotAllowSaysWhere(String template, String message) {
        TemplateException e = failure("\n\n" + template);
        assertEquals(3, e.line());
        assertEquals(TemplateException.Kind.VALUE, e.problem());
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }

    @Test
    void aTemplateMayRefuse() {
        TemplateException e = failure("{% for x in list %}\n{{ raise_exception('not ' ~ x) }}{% endfor %}");
        assertEquals(TemplateException.Kind.RAISED, e.problem());
        assertEquals("not 1", e.getMessage());
        assertEquals(2, e.line());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
                "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                "{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
                "{{ 'x' * 999999999999 }}",
                "{{ 9999999 * 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}",
                "{{ 9 ** 9 ** 9 ** 9 ** 9 ** 9 }}",
                "{{ [[1] * 99999] * 99999 }}{{ range(99999999999) }}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{{ '%9999999999d' % 1 }}",
                "{{ '{:9999999999}'.format(1) }}",
                "{{ 'x'.center(999999999) }}",
                "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}",
                "{% set ns = namespace(x=[1, 1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x=[1, 1]) %}{% for i in range(60) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x|tojson(indent=900) }}",
                "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
                "{% set s = 'x' * 9999999 %}{% for i in range(99999) %}{% for j in range(99999) %}{% set t = s|upper %}{% set u = s.upper() %}{% endfor %}{% endfor %}",
                "{% set s = 'x' * 9999999 %}{% for i in range(99999) %}{% for j in range(99999) %}{% set t = s[0] and 'y' in s %}{% endfor %}{% endfor %}",
                "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s|replace('', ns.s) %}{% endfor %}"
            })
    void hostileTemplatesEnd(String template) {
        TemplateException e = assertTimeoutPreemptively(SOON, () -> failure(template));
        assertEquals(TemplateException.Kind.LIMIT, e.problem(), e.getMessage());
        assertEquals(1, e.line());
    }

    @Test
    void deepSourcesAreRefused() {
        for (String[] pair : new String[][] {{"(", ")"}, {"[", "]"}, {"not ", ""}, {"-", ""}}) {
            String source = "{{ " + pair[0].repeat(50_000) + "1" + pair[1].repeat(50_000) + " }}";
            TemplateException e = assertThrows(TemplateException.class, () -> JinjaTemplate.parse(source));
            assertTrue(e.getMessage().contains("nested more than"), e.getMessage());
        }
        TemplateException e =
                assertThrows(TemplateException.class, () -> JinjaTemplate.parse("{% if a %}".repeat(50_000)));
        assertTrue(e.getMessage().contains("nested more than"), e.getMessage());
        TemplateException chain = assertThrows(
                TemplateException.class, () -> render("{{ x" + "|string".repeat(50_000) + " }}", Map.of("x", "a")));
        assertEquals(TemplateException.Kind.LIMIT, chain.problem());
    }

    @Test
    void variablesAreNotChanged() {
        Map<String, Object> variables = Map.of("a", List.of(1));
        assertEquals("12", render("{% set a = 12 %}{{ a }}", variables));
        assertEquals(Map.of("a", List.of(1)), variables);
    }
}
