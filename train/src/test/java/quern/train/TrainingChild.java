package quern.train;

import java.nio.file.Path;
import java.util.List;
import quern.recipe.RecipeFile;

/** A training in a process of its own, to be killed: {@code start RECIPE KEY=VALUE…} or {@code resume RUN}. */
final class TrainingChild {
    private TrainingChild() {}

    public static void main(String[] args) {
        Path path = Path.of(args[1]);
        List<String> overrides = List.of(args).subList(2, args.length);
        try (TrainingRun run = args[0].equals("start")
                ? TrainingRun.start(RecipeFile.load(path, overrides), note -> {})
                : TrainingRun.resume(path, overrides, note -> {})) {
            run.addHook(new TrainingHook() {
                @Override
                public void onBegin(TrainingProgress progress) {
                    System.out.println("begins at " + progress.step());
                }

                @Override
                public void onSaved(TrainingProgress progress, Path checkpoint) {
                    System.out.println("saved " + checkpoint.getFileName());
                }
            });
            System.out.println("ended " + run.train().ending());
        }
    }
}
