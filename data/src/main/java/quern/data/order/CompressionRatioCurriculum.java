package quern.data.order;

import java.nio.charset.StandardCharsets;
import java.util.zip.Deflater;

/** A curriculum by how little a row's text repeats itself: the bytes that Deflate makes of it over its bytes in UTF-8. */
public final class CompressionRatioCurriculum implements Curriculum {
    @Override
    public String id() {
        return "compression_ratio";
    }

    @Override
    public String summary() {
        return "rows that compress well first";
    }

    @Override
    public Class<? extends Record> config() {
        return PacedSettings.class;
    }

    @Override
    public RowOrder open(Rows rows, Record config) {
        return new PacedOrder(measure(rows), (PacedSettings) config, rows.seed());
    }

    static double[] measure(Rows rows) {
        byte[] buffer = new byte[1 << 12];
        Deflater deflater = new Deflater(Deflater.BEST_COMPRESSION, true);
        try {
            return PacedOrder.measured(rows, row -> ratio(rows.text(row), deflater, buffer));
        } finally {
            deflater.end();
        }
    }

    private static double ratio(String text, Deflater deflater, byte[] buffer) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0) {
            return 0;
        }
        deflater.reset();
        deflater.setInput(bytes);
        deflater.finish();
        long size = 0;
        while (!deflater.finished()) {
            size += deflater.deflate(buffer);
        }
        return (double) size / bytes.length;
    }
}
