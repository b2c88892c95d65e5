package quern.testkit;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.WatchService;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.util.Iterator;
import java.util.Set;

/**
 * The real file system with failures on command. Code under test needs to know nothing: hand it a path from {@link
 * #wrap} and every {@code Files} call, {@code FileChannel}, stream and rename on it, or on a path resolved against it,
 * passes the rules of {@link #faults}.
 *
 * <p>For a whole child process, where paths are made from text, the same provider becomes the JVM's default one:
 * {@code -Djava.nio.file.spi.DefaultFileSystemProvider=quern.testkit.FaultyFileSystemProvider
 * -Dquern.faults=RULES} ({@link Faults#parse}), which {@link #jvmArgs} writes.
 *
 * <p>Not seen: bytes changed through a writable memory mapping, files opened by {@code java.io} or native code. {@code
 * Path.toFile} throws on a wrapped path, so code that would slip past the rules fails in the test.
 */
public final class FaultyFileSystem extends FileSystem {
    private final FaultyFileSystemProvider provider;
    private final FileSystem delegate;
    private final Faults faults;

    /** The default file system with these faults. */
    public FaultyFileSystem(Faults faults) {
        delegate = FileSystems.getDefault();
        this.faults = faults;
        provider = new FaultyFileSystemProvider(delegate.provider(), this);
    }

    FaultyFileSystem(FaultyFileSystemProvider provider, FileSystem delegate, Faults faults) {
        this.provider = provider;
        this.delegate = delegate;
        this.faults = faults;
    }

    /** The options that give a child JVM a faulty default file system; {@code rules} as {@link Faults#parse} reads. */
    public static String[] jvmArgs(String rules) {
        Faults.parse(rules);
        return new String[] {
            "-Djava.nio.file.spi.DefaultFileSystemProvider=" + FaultyFileSystemProvider.class.getName(),
            "-D" + Faults.PROPERTY + "=" + rules
        };
    }

    /** The rules and the record of operations. */
    public Faults faults() {
        return faults;
    }

    /** The same file, seen through this file system. */
    public Path wrap(Path path) {
        if (path instanceof FaultyPath known && known.getFileSystem() == this) {
            return path;
        }
        return new FaultyPath(this, path);
    }

    /** The same file, seen through the real file system. */
    public static Path unwrap(Path path) {
        return path instanceof FaultyPath known ? known.delegate() : path;
    }

    @Override
    public FaultyFileSystemProvider provider() {
        return provider;
    }

    @Override
    public void close() throws IOException {
        // As with the default file system there is nothing of its own to close.
        if (this == FileSystems.getDefault()) {
            throw new UnsupportedOperationException("the default file system cannot be closed");
        }
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public boolean isReadOnly() {
        return delegate.isReadOnly();
    }

    @Override
    public String getSeparator() {
        return delegate.getSeparator();
    }

    @Override
    public Iterable<Path> getRootDirectories() {
        return () -> {
            Iterator<Path> roots = delegate.getRootDirectories().iterator();
            return new Iterator<>() {
                @Override
                public boolean hasNext() {
                    return roots.hasNext();
                }

                @Override
                public Path next() {
                    return wrap(roots.next());
                }
            };
        };
    }

    @Override
    public Iterable<FileStore> getFileStores() {
        return delegate.getFileStores();
    }

    @Override
    public Set<String> supportedFileAttributeViews() {
        return delegate.supportedFileAttributeViews();
    }

    @Override
    public Path getPath(String first, String... more) {
        return wrap(delegate.getPath(first, more));
    }

    @Override
    public PathMatcher getPathMatcher(String syntaxAndPattern) {
        PathMatcher matcher = delegate.getPathMatcher(syntaxAndPattern);
        return path -> matcher.matches(unwrap(path));
    }

    @Override
    public UserPrincipalLookupService getUserPrincipalLookupService() {
        return delegate.getUserPrincipalLookupService();
    }

    @Override
    public WatchService newWatchService() {
        throw new UnsupportedOperationException("a faulty file system has no watch service");
    }
}
