/** How stacks of blocks make a model. */
package quern.models.part.structure;
