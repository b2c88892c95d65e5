/**
 * Which rows a training meets when: how several corpora are mixed, and in which order the rows of one are met. All of it is a
 * function of the seed, the step and numbers that checkpoints hold.
 */
package quern.data.order;
