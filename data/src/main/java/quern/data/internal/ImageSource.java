package quern.data.internal;

import java.util.List;

/** The images of a corpus' documents, at one size. Any number of threads may ask. */
public interface ImageSource {
    /** Colours of a pixel: red, green and blue. */
    int CHANNELS = 3;

    /** Whether a document has an image that can be read. */
    boolean has(long document);

    /**
     * The image of a document that has one.
     *
     * @param key where images are painted, the seed of what differs from time to time
     * @param into receives values in [-1, 1], or a little beyond, colour by colour, row by row, from place {@code from}
     */
    void paint(long document, long key, float[] into, int from);

    /** What a person should know, a line each. */
    List<String> notices();
}
