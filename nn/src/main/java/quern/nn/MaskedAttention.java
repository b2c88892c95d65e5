package quern.nn;

import java.util.List;
import quern.tensor.Tensor;

/**
 * Attention behind a mask of the flow: in blocks or with all scores at once, as the network's {@link AttentionImplementation}
 * and the length say, and of each document over itself where there are several in a row.
 */
final class MaskedAttention {
    /**
     * Whose attention it is.
     *
     * @param owner the segment's name
     * @param mask the mask's name in the flow
     * @param dropout the rate of the model's own settings
     */
    record Site(String owner, String mask, Attention.Scores scores, double dropout) {}

    private MaskedAttention() {}

    /** [B, T, H·E] of queries [B, H, T, D], keys [B, KV, S, D] and values [B, KV, S, E]. */
    static Tensor attend(Tensor q_BHTD, Tensor k_BKSD, Tensor v_BKSE, Site site, Flow flow, Pass pass) {
        DocumentBorders documents = DocumentBorders.withPrefixes(flow);
        long t = documents == null ? q_BHTD.size(2) : documents.longest();
        long s = documents == null ? k_BKSD.size(2) : t;
        boolean blockwise = site.scores.relative() == null
                && (documents == null || !documents.sharePrefixes())
                && pass.takesOperators()
                && !pass.isProbedAt(site.owner, "attention_pattern")
                && pass.attention().isBlockwise(t, s);
        return blockwise
                ? blockwise(q_BHTD, k_BKSD, v_BKSE, documents, site, flow, pass)
                : atOnce(q_BHTD, k_BKSD, v_BKSE, documents, Positions.mask(site.mask, flow, pass, q_BHTD), site, pass);
    }

    private static Tensor blockwise(
            Tensor q_BHTD, Tensor k_BKSD, Tensor v_BKSE, DocumentBorders documents, Site site, Flow flow, Pass pass) {
        Tensor tensor = flow.get(site.mask);
        CallMask known = pass.mask(site.mask);
        boolean described = known != null && known.describes(tensor);
        if (documents != null && !described) {
            // A tensor for the longest document serves none of the others in place.
            return atOnce(q_BHTD, k_BKSD, v_BKSE, documents, tensor, site, pass);
        }
        boolean drops = pass.dropout(Regularization.Place.ATTENTION, site.dropout) > 0;
        boolean plain = described && known.isPlainCausal() && documents == null && !drops && site.scores.usual();
        if (plain && q_BHTD.device().isCuda()) {
            return Attention.causalFused(q_BHTD, k_BKSD, v_BKSE, site.scores.scale());
        }
        BlockwiseAttention.Visible visible;
        if (documents != null) {
            visible = known.visible(documents, q_BHTD.device());
        } else if (described) {
            visible = known.visible((int) q_BHTD.size(0), k_BKSD.size(2), q_BHTD.device());
        } else {
            visible = BlockwiseAttention.Visible.all(q_BHTD, k_BKSD);
        }
        return Attention.blockwise(
                List.of(q_BHTD, k_BKSD, v_BKSE),
                visible,
                described ? null : tensor,
                site.scores,
                site.dropout,
                pass,
                site.owner);
    }

    /**
     * The mask is for a document as long as the longest, so a shorter one has its corner, and one that goes on from another the
     * later rows of it.
     */
    private static Tensor atOnce(
            Tensor q_BHTD, Tensor k_BKSD, Tensor v_BKSE, DocumentBorders documents, Tensor mask, Site site, Pass pass) {
        if (documents == null) {
            return Attention.attend(q_BHTD, k_BKSD, v_BKSE, mask, site.scores, site.dropout, pass, site.owner, "");
        }
        return documents.join(1, (i, t) -> {
            int past = documents.past(i);
            Tensor rows = mask.size(-2) == 1 ? mask : mask.narrow(-2, past, t);
            return Attention.attend(
                    q_BHTD.narrow(2, documents.start(i), t),
                    documents.seen(k_BKSD, 2, i),
                    documents.seen(v_BKSE, 2, i),
                    rows.narrow(-1, 0, past + t),
                    site.scores,
                    site.dropout,
                    pass,
                    site.owner,
                    "/document_" + i);
        });
    }
}
