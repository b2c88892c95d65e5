package quern.data.internal;

import quern.data.DataConfig;
import quern.data.Document;
import quern.data.Documents;
import quern.data.Permutation;

/**
 * Which documents of a corpus are held out. Several are divided as wholes by {@code validation_seed}; of a single text the
 * tail is held out, of a single prompt and answer nothing.
 */
record Split(long documents, Permutation order, long heldOut, boolean single) {
    static Split of(DataConfig config, long documents, boolean prompts) {
        long heldOut = config.validationShare() == 0 || documents == 1
                ? 0
                : Math.clamp(Math.round(documents * config.validationShare()), 1, Math.max(1, documents - 1));
        return new Split(
                documents, new Permutation(documents, config.validationSeed()), heldOut, documents == 1 && !prompts);
    }

    boolean isHeldOut(long document) {
        return order.at(document) < heldOut;
    }

    /** Where the document comes from that has a number in one of the parts. */
    String place(Documents all, long number, boolean validation) {
        long document = 0;
        long seen = 0;
        try (Documents.Cursor pass = all.iterator()) {
            while (pass.hasNext()) {
                Document piece = pass.next();
                if (!piece.first()) {
                    continue;
                }
                if (single || isHeldOut(document) == validation) {
                    if (seen == number) {
                        return piece.line() > 0 ? piece.origin() + ":" + piece.line() : piece.origin();
                    }
                    seen++;
                }
                document++;
            }
        }
        return "document %,d".formatted(number + 1);
    }
}
