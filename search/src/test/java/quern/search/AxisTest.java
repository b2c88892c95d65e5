package quern.search;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** What {@code --vary}, {@code --arm} and {@code --tune} take. */
class AxisTest {
    @Test
    void rangesHaveEqualRatios() {
        assertEquals(
                List.of("1e-4", "3.162e-4", "1e-3", "3.162e-3", "1e-2"), ValueList.parse("1e-4..1e-2:5", "--tune"));
        assertEquals(List.of("4", "8", "16", "32"), ValueList.parse("4..32:4", "--over"));
        assertEquals(List.of("0.1", "1", "10.0"), ValueList.parse("0.1..10.0:3", "--over"));
        assertEquals(List.of("7", "1", "10", "100"), ValueList.parse("7, 1..100:3", "--over"));
    }

    @Test
    void numbersAreShortAndReadBackAlike() {
        assertEquals("3.162e-4", ValueList.number(3.16227766e-4));
        assertEquals("1e-3", ValueList.number(0.001));
        assertEquals("0.05", ValueList.number(0.05));
        assertEquals("1200", ValueList.number(1200));
        assertEquals("2.5e7", ValueList.number(2.5e7));
    }

    @Test
    void commasInsideBracketsAndQuotesSeparateNothing() {
        assertEquals(
                List.of("a", "{b: 1, c: [2, 3]}", "\"d, e\"", "[4, 5]"),
                ValueList.parse("a,{b: 1, c: [2, 3]}, \"d, e\",[4, 5]", "--vary"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a,,b",
                "",
                "a,",
                "{a",
                "a]",
                "'a",
                "1e-4..1e-2",
                "2..1:3",
                "1..2:1",
                "0..1:3",
                "1..3:9",
                "1..9:2000"
            })
    void listsThatMeanNothingAreOneClearError(String list) {
        QuernException e = assertThrows(QuernException.class, () -> ValueList.parse(list, "--tune x"));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith("--tune x: "), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void techniquesAreNamedByTheirIdAndOtherKeysByKeyAndValue() {
        Axis optim = Axis.vary("optim=adamw,lion", "--vary");
        assertEquals(Optional.of("optim"), optim.key());
        assertEquals(List.of(arm("adamw", "optim=adamw"), arm("lion", "optim=lion")), optim.arms());
        assertEquals(
                List.of(arm("data.packing=true", "data.packing=true"), arm("data.packing=false", "data.packing=false")),
                Axis.vary("data.packing=true,false", "--vary").arms());
    }

    @Test
    void aValueThatRepeatsTheKeyIsSeveralSettings() {
        String shampoo = "{optim: shampoo, optim_args: {grafting: adam, block_size: 64}}";
        assertEquals(
                List.of(arm("adamw", "optim=adamw"), arm("shampoo", shampoo)),
                Axis.vary("optim=adamw," + shampoo, "--vary").arms());
        String other = "{optim: shampoo, optim_args: {block_size: 32}}";
        assertEquals(
                List.of(arm(shampoo, shampoo), arm(other, other)),
                Axis.vary("optim=%s,%s".formatted(shampoo, other), "--vary").arms(),
                "two of one id keep all that tells them apart");
        assertEquals(
                List.of(arm("{min_lr: 0.1}", "lr_scheduler_kwargs={min_lr: 0.1}"), arm("{}", "lr_scheduler_kwargs={}")),
                Axis.vary("lr_scheduler_kwargs={min_lr: 0.1},{}", "--vary").arms(),
                "a block that does not repeat the key is the key's own value");
    }

    @Test
    void armsHaveNamesAndAnySettings() {
        assertEquals(
                List.of(arm("plain"), arm("big step", "{learning_rate: 1e-2, warmup_steps: 0.1}")),
                Axis.named(List.of("plain: {}", "big step: {learning_rate: 1e-2, warmup_steps: 0.1}"))
                        .arms());
        assertBad("--arm takes", () -> Axis.named(List.of("optim=lion")));
        assertBad("'a' is there twice", () -> Axis.named(List.of("a: {seed: 1}", "a: {seed: 2}")));
        assertBad("'b' has the settings of another arm", () -> Axis.named(List.of("a: {seed: 1}", "b: {seed: 1}")));
    }

    @Test
    void axesCrossAndTheFirstOfEachIsTheBaseline() {
        List<Arm> crossed =
                Axis.cross(List.of(Axis.vary("optim=adamw,lion", "--vary"), Axis.vary("weight_decay=0,0.1", "--vary")));
        assertEquals(
                List.of(
                        arm("adamw, weight_decay=0", "optim=adamw", "weight_decay=0"),
                        arm("adamw, weight_decay=0.1", "optim=adamw", "weight_decay=0.1"),
                        arm("lion, weight_decay=0", "optim=lion", "weight_decay=0"),
                        arm("lion, weight_decay=0.1", "optim=lion", "weight_decay=0.1")),
                crossed);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"optim|takes KEY=VALUE", "=a,b|takes KEY=VALUE", "optim=a,a|there twice"})
    void whatIsNoAxisIsOneClearError(String text, String reason) {
        assertBad(reason, () -> Axis.vary(text, "--vary"));
    }

    @Test
    void aKeyVariesOnce() {
        Axis axis = Axis.vary("seed=1,2", "--vary");
        assertBad("seed varies twice", () -> Axis.cross(List.of(axis, axis)));
    }

    @Test
    void namesBecomeFolders() {
        assertEquals("adamw-weight_decay=0.1", arm("adamw, weight_decay=0.1").folder());
        assertEquals("arm", arm("..").folder());
        assertEquals("a-b", Arm.folder("../A/B"));
        assertTrue(arm("x".repeat(500)).folder().length() < 100);
    }

    private static Arm arm(String name, String... settings) {
        return new Arm(name, List.of(settings));
    }

    private static void assertBad(String part, org.junit.jupiter.api.function.Executable action) {
        QuernException e = assertThrows(QuernException.class, action);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
