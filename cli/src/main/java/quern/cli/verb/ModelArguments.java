package quern.cli.verb;

import java.io.PrintStream;
import java.nio.file.Path;
import picocli.CommandLine.Option;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.tensor.Device;
import quern.train.ComputeThreads;
import quern.train.ModelFolder;
import quern.train.Preparation;

/** The arguments of a verb that uses a trained model, as a picocli mixin. */
final class ModelArguments {
    /** What a verb's positional parameter is, which names the model. */
    static final String FOLDER = "A model folder, a run folder of 'quern train', or a checkpoint.";

    @Option(
            names = "--precision",
            paramLabel = "fp32|bf16|fp16",
            description = "The arithmetic; fp32 unless another is asked for.")
    private Precision precision = Precision.FP32;

    @Option(names = "--device", paramLabel = "cpu|cuda", description = "Where to compute; cpu unless told otherwise.")
    private String device = "cpu";

    @Option(names = "--threads", paramLabel = "N", description = "CPU threads; all unless told otherwise.")
    private int threads;

    /**
     * A model with its tokenizer.
     *
     * @param folder the folder they are in
     */
    record Opened(ModelFolder folder, LanguageModel model, Tokenizer tokenizer) implements AutoCloseable {
        @Override
        public void close() {
            model.close();
        }
    }

    /** Loads the model of a folder; remarks go to {@code notes}. */
    Opened open(Path folder, PrintStream notes) {
        if (threads < 0) {
            throw QuernException.badInput("--threads: expected 1 or more, found %d", threads);
        }
        if (precision == Precision.DYNAMIC) {
            throw QuernException.badInput("--precision: dynamic is for training; expected fp32, bf16 or fp16");
        }
        if (!device.equals("cpu") && !device.equals("cuda")) {
            throw QuernException.badInput("--device: expected cpu or cuda, found '%s'", device);
        }
        ModelFolder found = ModelFolder.find(folder);
        found.note().ifPresent(notes::println);
        ComputeThreads.use(threads);
        LanguageModel model = found.model(Preparation.dtype(precision), Device.parse(device));
        boolean done = false;
        try {
            Opened opened = new Opened(found, model, found.tokenizer(model.config()));
            done = true;
            return opened;
        } finally {
            if (!done) {
                model.close();
            }
        }
    }
}
