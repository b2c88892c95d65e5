/** The optimizers, one a file: what a recipe chooses with {@code optim}. */
package quern.optim.optimizer;
