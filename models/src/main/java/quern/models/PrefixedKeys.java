package quern.models;

import java.util.List;

/**
 * The keys of a class whose body is called otherwise than in most classes of its family: the bare body, which has no
 * prefix, or an older name that was kept.
 */
final class PrefixedKeys implements CheckpointKeys {
    private final CheckpointKeys keys;
    private final String prefix;

    PrefixedKeys(CheckpointKeys keys, String prefix) {
        this.keys = keys;
        this.prefix = prefix;
    }

    /** The name in this class of what the family calls {@code name}. */
    String own(String name) {
        return name.startsWith(keys.basePrefix())
                ? prefix + name.substring(keys.basePrefix().length())
                : name;
    }

    private String familys(String own) {
        return own.startsWith(prefix) ? keys.basePrefix() + own.substring(prefix.length()) : own;
    }

    @Override
    public String basePrefix() {
        return prefix;
    }

    @Override
    public String onDisk(String name) {
        return own(keys.onDisk(familys(name)));
    }

    @Override
    public List<Part> parts(String name, long... shape) {
        return keys.parts(familys(name), shape).stream()
                .map(part -> new Part(own(part.name()), part.shape()))
                .toList();
    }

    @Override
    public boolean isTransposed(String name) {
        return keys.isTransposed(familys(name));
    }

    @Override
    public List<String> olderNames(String diskName) {
        return keys.olderNames(familys(diskName)).stream().map(this::own).toList();
    }

    @Override
    public boolean isBuffer(String diskName) {
        return keys.isBuffer(familys(diskName));
    }
}
