/**
 * The preparation of a corpus on Apache Spark: the stages of {@link quern.data.corpus.PreparePlan} with the same code and the
 * same answer as on one machine. A task reads a run of files; what duplicates need to be found goes through Spark's sorted
 * shuffles, texts stay where they are.
 */
package quern.spark;
