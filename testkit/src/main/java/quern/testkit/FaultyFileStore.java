package quern.testkit;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileStoreAttributeView;

/** A file store that has no more free bytes than the rules leave room for. */
final class FaultyFileStore extends FileStore {
    private final FileStore delegate;
    private final Faults faults;

    FaultyFileStore(FileStore delegate, Faults faults) {
        this.delegate = delegate;
        this.faults = faults;
    }

    @Override
    public String name() {
        return delegate.name();
    }

    @Override
    public String type() {
        return delegate.type();
    }

    @Override
    public boolean isReadOnly() {
        return delegate.isReadOnly();
    }

    @Override
    public long getTotalSpace() throws IOException {
        return delegate.getTotalSpace();
    }

    @Override
    public long getUsableSpace() throws IOException {
        return Math.min(delegate.getUsableSpace(), faults.room());
    }

    @Override
    public long getUnallocatedSpace() throws IOException {
        return Math.min(delegate.getUnallocatedSpace(), faults.room());
    }

    @Override
    public long getBlockSize() throws IOException {
        return delegate.getBlockSize();
    }

    @Override
    public boolean supportsFileAttributeView(Class<? extends FileAttributeView> type) {
        return delegate.supportsFileAttributeView(type);
    }

    @Override
    public boolean supportsFileAttributeView(String name) {
        return delegate.supportsFileAttributeView(name);
    }

    @Override
    public <V extends FileStoreAttributeView> V getFileStoreAttributeView(Class<V> type) {
        return delegate.getFileStoreAttributeView(type);
    }

    @Override
    public Object getAttribute(String attribute) throws IOException {
        return switch (attribute) {
            case "usableSpace" -> getUsableSpace();
            case "unallocatedSpace" -> getUnallocatedSpace();
            default -> delegate.getAttribute(attribute);
        };
    }
}
