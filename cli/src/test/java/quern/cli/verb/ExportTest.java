package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExportTest {
    private static final String SIZES =
            "family: custom, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32";

    @TempDir
    Path folder;

    @Test
    void aComposedLlamaBecomesALlamaThatWritesTheSameText() throws IOException {
        Path own = Cli.model(folder.resolve("own"), "{" + SIZES + "}");
        Path known = folder.resolve("known");
        Cli cli = Cli.run("export", own.toString(), known.toString(), "--json");
        assertEquals(0, cli.code(), cli.err());
        assertEquals(
                "llama",
                cli.json()
                        .path("modelType")
                        .asString(cli.json().path("model_type").asString()));
        assertTrue(Files.readString(known.resolve("config.json")).contains("LlamaForCausalLM"));
        String[] written = new String[2];
        for (int i = 0; i < 2; i++) {
            Cli text = Cli.run(
                    "generate",
                    (i == 0 ? own : known).toString(),
                    "--prompt",
                    "once",
                    "--max-new-tokens",
                    "12",
                    "--greedy");
            assertEquals(0, text.code(), text.err());
            written[i] = text.out();
        }
        assertFalse(written[0].isBlank());
        assertEquals(written[0], written[1]);
    }

    @Test
    void whatIsNoKnownFamilyOrWouldOverwriteIsRefused() {
        Path own = Cli.model(folder.resolve("sinks"), "{" + SIZES + ", attention_sinks: true}");
        Cli none = Cli.run("export", own.toString(), folder.resolve("out").toString());
        assertEquals(2, none.code());
        assertTrue(none.error().contains("the model, of family custom, is none of another family"), none.err());
        assertFalse(Files.exists(folder.resolve("out")));
        Cli full = Cli.run("export", own.toString(), own.toString());
        assertEquals(2, full.code());
        assertTrue(full.error().contains("is there already; name a folder that is missing or empty"), full.err());
        Cli gpt2 = Cli.run(
                "export",
                Cli.model(folder.resolve("gpt2")).toString(),
                folder.resolve("out").toString());
        assertEquals(2, gpt2.code());
        assertTrue(gpt2.error().contains("of family gpt2, is none of another family"), gpt2.err());
    }
}
