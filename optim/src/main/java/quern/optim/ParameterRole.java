package quern.optim;

/** What a parameter is in its model, for optimizers that treat matrices, tables and vectors unlike. */
public enum ParameterRole {
    /** A weight inside a block, of two or more dimensions: a linear map or a convolution. */
    HIDDEN_MATRIX,
    /** An embedding table or the head: one row a token, position or class. */
    EMBEDDING,
    /** A bias, a norm's scale or another parameter of fewer than two dimensions. */
    VECTOR
}
