package quern.data;

/**
 * The prompt that an instruction becomes, as Alpaca was trained (Taori et al. 2023, "Stanford Alpaca: An Instruction-following
 * LLaMA model"). The answer follows at once, then the end of the text.
 */
public final class AlpacaTemplate {
    private static final String WITH_INPUT =
            "Below is an instruction that describes a task, paired with an input that provides further context. "
                    + "Write a response that appropriately completes the request.\n\n"
                    + "### Instruction:\n%s\n\n### Input:\n%s\n\n### Response:";

    private static final String WITHOUT_INPUT = "Below is an instruction that describes a task. "
            + "Write a response that appropriately completes the request.\n\n"
            + "### Instruction:\n%s\n\n### Response:";

    private AlpacaTemplate() {}

    /**
     * The prompt.
     *
     * @param input what the instruction is about; empty where it says all by itself
     */
    public static String prompt(String instruction, String input) {
        return input.isEmpty() ? WITHOUT_INPUT.formatted(instruction) : WITH_INPUT.formatted(instruction, input);
    }
}
