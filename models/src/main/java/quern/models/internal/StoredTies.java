package quern.models.internal;

import quern.models.CheckpointKeys;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsFolder;

/**
 * Which tensors of a model folder stand for others. As transformers sees it, what the configuration ties is tied unless the
 * files hold two tensors that differ, and what it doesn't tie is apart unless the files hold only one.
 */
public final class StoredTies {
    private final SafetensorsFolder files;
    private final CheckpointKeys keys;

    /** The ties of a folder. */
    public StoredTies(SafetensorsFolder files, CheckpointKeys keys) {
        this.files = files;
        this.keys = keys;
    }

    /** Whether the parameter called {@code tied} in memory is that called {@code owner}. */
    boolean isTied(String tied, String owner, boolean configured) {
        String own = Checkpoint.find(files, keys, keys.onDisk(tied));
        String other = Checkpoint.find(files, keys, keys.onDisk(owner));
        if (own == null) {
            return true;
        }
        return configured && (other == null || isSame(files.entry(own), files.entry(other)));
    }

    static boolean isSame(SafetensorsFile.Entry a, SafetensorsFile.Entry b) {
        return a.dtype().equals(b.dtype()) && a.bytes().mismatch(b.bytes()) == -1;
    }
}
