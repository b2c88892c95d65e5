package quern.testkit;

import java.io.IOException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What goes wrong in a {@link FaultyFileSystem}, and a record of what was done there. Rules may be set before or during
 * a test; operations are counted from 1 over all files that {@link #only} lets through. All methods may be called from
 * any thread.
 */
public final class Faults {
    /** The system property that a child process with a faulty default file system reads; see {@link #parse}. */
    public static final String PROPERTY = "quern.faults";

    private static final int LARGEST_JOURNAL = 100_000;

    private final List<Rule> rules = new ArrayList<>();
    private final Map<Operation, Long> counts = new EnumMap<>(Operation.class);
    private final List<Event> journal = new ArrayList<>();
    private String only;
    private PathMatcher matcher;
    private long changes;
    private long bytesWritten;
    private long room = Long.MAX_VALUE;
    private int largestRead = Integer.MAX_VALUE;
    private int openChannels;

    /** The operations that are counted and can fail. All but {@link #READ} change the disk or make a change durable. */
    public enum Operation {
        /** Opening a file for writing, creating it or not. */
        OPEN_WRITE,
        /** One write call on a channel or stream. */
        WRITE,
        /** Cutting a file. */
        TRUNCATE,
        /** {@code FileChannel.force} (fsync) of a file or a folder. */
        FORCE,
        /** A rename; the path is the target. */
        MOVE,
        /** Copying a file inside the file system; the path is the target. */
        COPY,
        /** Creating a folder. */
        CREATE_DIRECTORY,
        /** Creating a symbolic or hard link. */
        LINK,
        /** Deleting a file or folder. */
        DELETE,
        /** One read call. */
        READ
    }

    /** Errors of the operating system with the words in which the JDK reports them. */
    public enum Error {
        /** No space left. */
        ENOSPC("No space left on device"),
        /** A device error. */
        EIO("Input/output error"),
        /** A quota. */
        EDQUOT("Disk quota exceeded"),
        /** A file system that has become read-only. */
        EROFS("Read-only file system"),
        /** Missing permission. */
        EACCES("Permission denied"),
        /** Too many open files. */
        EMFILE("Too many open files");

        private final String message;

        Error(String message) {
            this.message = message;
        }

        /** The operating system's message. */
        public String message() {
            return message;
        }
    }

    /**
     * One operation that was let through or failed.
     *
     * @param bytes what a write wrote, otherwise 0
     * @param error what it failed with, or null
     */
    public record Event(Operation operation, Path path, long bytes, Error error) {}

    private record Rule(Operation operation, long first, long last, Error error) {
        boolean hits(Operation done, long count, long change) {
            if (operation == null) {
                return done != Operation.READ && change >= first && change <= last;
            }
            return done == operation && count >= first && count <= last;
        }
    }

    /** Fails the n-th operation of a kind, and none after it. */
    public synchronized Faults failNth(Operation operation, long n, Error error) {
        rules.add(new Rule(operation, atLeastOne(n), n, error));
        return this;
    }

    /** Fails the n-th operation of a kind and all after it. */
    public synchronized Faults failFrom(Operation operation, long n, Error error) {
        rules.add(new Rule(operation, atLeastOne(n), Long.MAX_VALUE, error));
        return this;
    }

    /** Fails the n-th of all operations but reads, and none after it: for loops over every n. */
    public synchronized Faults failNthChange(long n, Error error) {
        rules.add(new Rule(null, atLeastOne(n), n, error));
        return this;
    }

    /**
     * Leaves room for so many more bytes. As on a real disk, the write that reaches the end is short, the next fails with
     * ENOSPC, and so does every later one; deleting files makes no room, {@link #heal} does. Creating files and folders
     * still works. {@code FileStore.getUsableSpace} tells the room left.
     */
    public synchronized Faults diskFullAfter(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("room of " + bytes + " bytes; 0 or more is needed");
        }
        room = bytes;
        return this;
    }

    /** Lets a read call return no more than so many bytes, which readers must allow for. */
    public synchronized Faults shortReads(int largest) {
        largestRead = (int) atLeastOne(largest);
        return this;
    }

    /** Counts, records and fails only operations on absolute paths that match this glob ({@code **}{@code /trainer/**}). */
    public synchronized Faults only(String glob) {
        only = "glob:" + glob;
        matcher = null;
        return this;
    }

    /** Removes every rule; counts and journal stay. */
    public synchronized void heal() {
        rules.clear();
        room = Long.MAX_VALUE;
        largestRead = Integer.MAX_VALUE;
    }

    /** How many operations of a kind there were, failed ones included. */
    public synchronized long count(Operation operation) {
        return counts.getOrDefault(operation, 0L);
    }

    /** How many operations other than reads there were, failed ones included. */
    public synchronized long changes() {
        return changes;
    }

    /** Bytes written so far. */
    public synchronized long bytesWritten() {
        return bytesWritten;
    }

    /** Channels and streams that are open now: 0 after code that leaks none. */
    public synchronized int openChannels() {
        return openChannels;
    }

    /** The operations other than reads in order (the first 100,000), to check that data is forced before a rename. */
    public synchronized List<Event> journal() {
        return List.copyOf(journal);
    }

    /**
     * Rules from text, separated by {@code ;}: {@code WRITE:3:EIO} (the third write), {@code FORCE:2+:EIO} (from the
     * second on), {@code ANY:17:ENOSPC} (the 17th change), {@code room:1000000}, {@code short_reads:7}, {@code
     * only:GLOB}.
     */
    public static Faults parse(String text) {
        Faults faults = new Faults();
        for (String part : text.split(";")) {
            String rule = part.strip();
            if (!rule.isEmpty()) {
                faults.add(rule);
            }
        }
        return faults;
    }

    private void add(String rule) {
        String[] fields = rule.split(":", 2);
        try {
            switch (fields[0]) {
                case "room" -> diskFullAfter(Long.parseLong(fields[1]));
                case "short_reads" -> shortReads(Integer.parseInt(fields[1]));
                case "only" -> only(fields[1]);
                default -> addFailure(fields[0], fields[1].split(":"));
            }
        } catch (IllegalArgumentException | ArrayIndexOutOfBoundsException e) {
            throw new IllegalArgumentException("the fault \"" + rule + "\" is not understood", e);
        }
    }

    private void addFailure(String operation, String[] fields) {
        Error error = Error.valueOf(fields[1].toUpperCase(Locale.ROOT));
        boolean andLater = fields[0].endsWith("+");
        long n = Long.parseLong(andLater ? fields[0].substring(0, fields[0].length() - 1) : fields[0]);
        Operation kind = operation.equals("ANY") ? null : Operation.valueOf(operation);
        rules.add(new Rule(kind, atLeastOne(n), andLater ? Long.MAX_VALUE : n, error));
    }

    private static long atLeastOne(long n) {
        if (n < 1) {
            throw new IllegalArgumentException(n + " was given; counting starts at 1");
        }
        return n;
    }

    /** Counts an operation other than a write or read and throws where a rule says so. */
    synchronized void before(Operation operation, Path path) throws IOException {
        if (matches(path)) {
            Error error = next(operation);
            record(operation, path, 0, error);
            fail(error);
        }
    }

    /** How many of the wanted bytes a write may write; the caller reports what it wrote with {@link #wrote}. */
    synchronized int beforeWrite(Path path, int wanted) throws IOException {
        if (!matches(path)) {
            return wanted;
        }
        Error error = next(Operation.WRITE);
        if (error == null && wanted > 0 && room == 0) {
            error = Error.ENOSPC;
        }
        if (error != null) {
            record(Operation.WRITE, path, 0, error);
            fail(error);
        }
        return (int) Math.min(wanted, room);
    }

    synchronized void wrote(Path path, long bytes) {
        if (matches(path)) {
            record(Operation.WRITE, path, bytes, null);
            bytesWritten += bytes;
            if (room != Long.MAX_VALUE) {
                room = Math.max(0, room - bytes);
            }
        }
    }

    /** How many of the wanted bytes a read may return. */
    synchronized int beforeRead(Path path, int wanted) throws IOException {
        if (!matches(path)) {
            return wanted;
        }
        fail(next(Operation.READ));
        return Math.min(wanted, largestRead);
    }

    synchronized long room() {
        return room;
    }

    synchronized void opened() {
        openChannels++;
    }

    synchronized void closed() {
        openChannels--;
    }

    private boolean matches(Path path) {
        if (only == null) {
            return true;
        }
        if (matcher == null) {
            // The real path's file system: the default one may not exist yet when a child parses its rules.
            matcher = path.getFileSystem().getPathMatcher(only);
        }
        return matcher.matches(path.toAbsolutePath().normalize());
    }

    private Error next(Operation operation) {
        long count = counts.merge(operation, 1L, Long::sum);
        if (operation != Operation.READ) {
            changes++;
        }
        for (Rule rule : rules) {
            if (rule.hits(operation, count, changes)) {
                return rule.error();
            }
        }
        return null;
    }

    private void record(Operation operation, Path path, long bytes, Error error) {
        if (journal.size() < LARGEST_JOURNAL) {
            journal.add(new Event(operation, path.toAbsolutePath().normalize(), bytes, error));
        }
    }

    private static void fail(Error error) throws IOException {
        if (error != null) {
            throw new IOException(error.message());
        }
    }
}
