package quern.data.internal;

import java.util.List;
import java.util.function.LongFunction;
import quern.recipe.QuernException;

/**
 * Images painted from what captions say.
 *
 * @param captions the text of a document
 * @param side pixels of an image's side
 * @param objective for messages
 */
public record PaintedScenes(LongFunction<String> captions, int side, String objective) implements ImageSource {
    /** {@inheritDoc} A text that is no caption is bad input. */
    @Override
    public boolean has(long document) {
        scene(document);
        return true;
    }

    @Override
    public void paint(long document, long key, float[] into, int from) {
        scene(document).paint(into, from, side, key);
    }

    @Override
    public List<String> notices() {
        return List.of();
    }

    private Scene scene(long document) {
        String text = captions.apply(document);
        return Scene.parse(text)
                .orElseThrow(() -> QuernException.badInput(
                        "objective: %s: '%s' is no caption of a shape, so there is no image of it; its texts are those of data: {source: shapes} or data: {image_folder: FOLDER}",
                        objective, text.strip().lines().findFirst().orElse("")));
    }
}
