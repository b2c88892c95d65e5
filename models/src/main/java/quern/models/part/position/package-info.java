/** How a model knows where a token stands. */
package quern.models.part.position;
