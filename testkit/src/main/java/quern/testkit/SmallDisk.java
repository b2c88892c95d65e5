package quern.testkit;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * A really small disk: a tmpfs of a given size, mounted in a user and mount namespace of its own, where the kernel
 * permits that without privileges. Children started with {@link ChildJvm.Builder#on} see it at {@link #path}; this
 * process sees its files at {@link #seenFromHere}. Its content is lost when it is closed or this process ends.
 */
public final class SmallDisk implements AutoCloseable {
    private static final String MOUNTED = "mounted";

    private final Process holder;
    private final Path path;

    private SmallDisk(Process holder, Path path) {
        this.holder = holder;
        this.path = path;
    }

    /**
     * Mounts a disk.
     *
     * @param folder an existing folder, over which children see the disk
     * @param bytes the disk's size, rounded up to whole pages
     * @throws IOException with the reason where namespaces or mounts are not permitted: a test skips itself then
     */
    public static SmallDisk mount(Path folder, long bytes) throws IOException {
        Path path = folder.toRealPath();
        // The holder ends with its standard input, so even a killed test leaves nothing behind.
        Process holder = new ProcessBuilder(
                        "unshare",
                        "--user",
                        "--map-root-user",
                        "--mount",
                        "sh",
                        "-c",
                        "mount -t tmpfs -o size=" + bytes + " tmpfs \"$0\" && echo " + MOUNTED + " && exec cat",
                        path.toString())
                .redirectErrorStream(true)
                .start();
        BufferedReader output =
                new BufferedReader(new InputStreamReader(holder.getInputStream(), StandardCharsets.UTF_8));
        String said = output.readLine();
        if (!MOUNTED.equals(said)) {
            holder.destroyForcibly();
            throw new IOException("no small disk can be mounted here: " + said);
        }
        return new SmallDisk(holder, path);
    }

    /** Where children on this disk see it. */
    public Path path() {
        return path;
    }

    /**
     * Where this process reaches the same file. Good for reading and writing; resolving it to a real path would leave the
     * disk.
     *
     * @param below a path on the disk as children see it
     */
    public Path seenFromHere(Path below) {
        Path inside = path.relativize(below.toAbsolutePath().normalize());
        if (inside.startsWith("..")) {
            throw new IllegalArgumentException(below + " is not on the disk at " + path);
        }
        return Path.of("/proc", Long.toString(holder.pid()), "root")
                .resolve(path.toString().substring(1))
                .resolve(inside);
    }

    /** What a command starts with to run inside the namespace; entering it would otherwise move it to the root folder. */
    List<String> enter(Path directory) {
        return List.of(
                "nsenter",
                "--target=" + holder.pid(),
                "--user",
                "--mount",
                "--preserve-credentials",
                "--wd=" + directory.toAbsolutePath(),
                "--");
    }

    /** Unmounts it: the namespace ends with its holder. */
    @Override
    public void close() {
        holder.destroyForcibly();
        holder.onExit().join();
    }
}
