package quern.curate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsFile.Entry;
import quern.tensor.SafetensorsWriter;

/**
 * Where the learning of rows stands: fp32 arrays by name. Written between rounds, so that learning goes on after a kill.
 *
 * @param done rounds done
 * @param values arrays by name
 */
public record LearnerState(int done, Map<String, float[]> values) {
    private static final String DONE = "rounds_done";
    private static final String FINGERPRINT = "fingerprint";

    /** Takes a copy of the map, in its order. */
    public LearnerState {
        values = new LinkedHashMap<>(values);
    }

    /**
     * Writes the file, or replaces it.
     *
     * @param fingerprint of everything that what is learnt depends on
     */
    void write(Path file, String fingerprint) {
        List<Entry> entries = new ArrayList<>();
        values.forEach((name, array) -> entries.add(FloatArrays.entry(name, array, array.length)));
        SafetensorsWriter.write(file, entries, Map.of(DONE, Integer.toString(done), FINGERPRINT, fingerprint));
    }

    /**
     * Reads a file.
     *
     * @throws QuernException bad input where it is of another recipe or text; failed where it is damaged
     */
    static LearnerState read(Path file, String fingerprint) {
        try (SafetensorsFile saved = SafetensorsFile.open(file)) {
            if (!fingerprint.equals(saved.metadata().get(FINGERPRINT))) {
                throw QuernException.badInput(
                        "%s: rows that another recipe or another text began to learn; choose another output_dir, or delete the file to learn anew",
                        file);
            }
            Map<String, float[]> values = new LinkedHashMap<>();
            for (String name : saved.names()) {
                values.put(name, FloatArrays.floats(saved.entry(name)));
            }
            return new LearnerState(Integer.parseInt(saved.metadata().get(DONE)), values);
        } catch (NumberFormatException e) {
            throw new QuernException(
                    quern.recipe.ExitCode.FAILED,
                    "%s: no number of rounds under '%s'; the file is damaged, delete it to learn anew"
                            .formatted(file, DONE),
                    e);
        }
    }
}
