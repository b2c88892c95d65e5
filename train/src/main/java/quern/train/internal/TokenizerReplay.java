package quern.train.internal;

import java.util.List;
import quern.data.Tokenizer;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;

/**
 * Replays cases of kind {@code tokenizer}: a {@code tokenizer.json} encodes a text line by line. The error is the number
 * of ids that differ.
 */
public final class TokenizerReplay implements GoldenReplay {
    @Override
    public String kind() {
        return "tokenizer";
    }

    @Override
    public List<GoldenCheck> replay(GoldenCase golden) {
        TextCase files = new TextCase(golden);
        Tokenizer tokenizer = Tokenizer.load(golden.folder().resolve("tokenizer.json"));
        return List.of(GoldenCheck.of("ids", files.differentIds(tokenizer, files.lines("text_file")), 0));
    }
}
