package quern.optim;

/** How finely an optimizer's work may be divided over shards. */
public enum Granularity {
    /** Every element is updated on its own: parameters may be cut anywhere. */
    ELEMENT,
    /** The update of an element depends on its whole tensor: only whole tensors may be dealt out. */
    TENSOR
}
