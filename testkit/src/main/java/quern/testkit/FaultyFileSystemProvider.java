package quern.testkit;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.spi.FileSystemProvider;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import quern.testkit.Faults.Operation;

/**
 * Passes every operation to the real provider after the rules of a {@link FaultyFileSystem} had their say. Public with
 * this constructor so that a child JVM can name it as its default provider.
 */
public final class FaultyFileSystemProvider extends FileSystemProvider {
    private static final Set<OpenOption> WRITING = Set.of(
            StandardOpenOption.WRITE,
            StandardOpenOption.APPEND,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.DELETE_ON_CLOSE);

    private final FileSystemProvider delegate;
    private final FaultyFileSystem fileSystem;

    /** The default provider of a JVM, with the rules of the system property {@code quern.faults}. */
    public FaultyFileSystemProvider(FileSystemProvider delegate) {
        this.delegate = delegate;
        fileSystem = new FaultyFileSystem(
                this,
                delegate.getFileSystem(URI.create("file:///")),
                Faults.parse(System.getProperty(Faults.PROPERTY, "")));
    }

    FaultyFileSystemProvider(FileSystemProvider delegate, FaultyFileSystem fileSystem) {
        this.delegate = delegate;
        this.fileSystem = fileSystem;
    }

    @Override
    public String getScheme() {
        return delegate.getScheme();
    }

    @Override
    public FileSystem newFileSystem(URI uri, Map<String, ?> env) throws IOException {
        return delegate.newFileSystem(uri, env);
    }

    @Override
    public FileSystem getFileSystem(URI uri) {
        delegate.getFileSystem(uri);
        return fileSystem;
    }

    @Override
    public Path getPath(URI uri) {
        return fileSystem.wrap(delegate.getPath(uri));
    }

    @Override
    public SeekableByteChannel newByteChannel(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attrs)
            throws IOException {
        return newFileChannel(path, options, attrs);
    }

    @Override
    public FileChannel newFileChannel(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attrs)
            throws IOException {
        Path real = real(path);
        if (options.stream().anyMatch(WRITING::contains)) {
            faults().before(Operation.OPEN_WRITE, real);
        }
        return new FaultyFileChannel(delegate.newFileChannel(real, options, attrs), real, faults());
    }

    @Override
    public DirectoryStream<Path> newDirectoryStream(Path dir, DirectoryStream.Filter<? super Path> filter)
            throws IOException {
        DirectoryStream<Path> stream =
                delegate.newDirectoryStream(real(dir), path -> filter.accept(fileSystem.wrap(path)));
        return new DirectoryStream<>() {
            @Override
            public Iterator<Path> iterator() {
                Iterator<Path> paths = stream.iterator();
                return new Iterator<>() {
                    @Override
                    public boolean hasNext() {
                        return paths.hasNext();
                    }

                    @Override
                    public Path next() {
                        return fileSystem.wrap(paths.next());
                    }
                };
            }

            @Override
            public void close() throws IOException {
                stream.close();
            }
        };
    }

    @Override
    public void createDirectory(Path dir, FileAttribute<?>... attrs) throws IOException {
        faults().before(Operation.CREATE_DIRECTORY, real(dir));
        delegate.createDirectory(real(dir), attrs);
    }

    @Override
    public void createSymbolicLink(Path link, Path target, FileAttribute<?>... attrs) throws IOException {
        faults().before(Operation.LINK, real(link));
        delegate.createSymbolicLink(real(link), real(target), attrs);
    }

    @Override
    public void createLink(Path link, Path existing) throws IOException {
        faults().before(Operation.LINK, real(link));
        delegate.createLink(real(link), real(existing));
    }

    @Override
    public void delete(Path path) throws IOException {
        faults().before(Operation.DELETE, real(path));
        delegate.delete(real(path));
    }

    @Override
    public boolean deleteIfExists(Path path) throws IOException {
        faults().before(Operation.DELETE, real(path));
        return delegate.deleteIfExists(real(path));
    }

    @Override
    public Path readSymbolicLink(Path link) throws IOException {
        return fileSystem.wrap(delegate.readSymbolicLink(real(link)));
    }

    @Override
    public void copy(Path source, Path target, CopyOption... options) throws IOException {
        faults().before(Operation.COPY, real(target));
        delegate.copy(real(source), real(target), options);
    }

    @Override
    public void move(Path source, Path target, CopyOption... options) throws IOException {
        faults().before(Operation.MOVE, real(target));
        delegate.move(real(source), real(target), options);
    }

    @Override
    public boolean isSameFile(Path path, Path other) throws IOException {
        return delegate.isSameFile(real(path), FaultyFileSystem.unwrap(other));
    }

    @Override
    public boolean isHidden(Path path) throws IOException {
        return delegate.isHidden(real(path));
    }

    @Override
    public FileStore getFileStore(Path path) throws IOException {
        return new FaultyFileStore(delegate.getFileStore(real(path)), faults());
    }

    @Override
    public void checkAccess(Path path, AccessMode... modes) throws IOException {
        delegate.checkAccess(real(path), modes);
    }

    @Override
    public <V extends FileAttributeView> V getFileAttributeView(Path path, Class<V> type, LinkOption... options) {
        return delegate.getFileAttributeView(real(path), type, options);
    }

    @Override
    public <A extends BasicFileAttributes> A readAttributes(Path path, Class<A> type, LinkOption... options)
            throws IOException {
        return delegate.readAttributes(real(path), type, options);
    }

    @Override
    public Map<String, Object> readAttributes(Path path, String attributes, LinkOption... options) throws IOException {
        return delegate.readAttributes(real(path), attributes, options);
    }

    @Override
    public void setAttribute(Path path, String attribute, Object value, LinkOption... options) throws IOException {
        delegate.setAttribute(real(path), attribute, value, options);
    }

    private Faults faults() {
        return fileSystem.faults();
    }

    private static Path real(Path path) {
        if (path instanceof FaultyPath known) {
            return known.delegate();
        }
        throw new ProviderMismatchException();
    }
}
