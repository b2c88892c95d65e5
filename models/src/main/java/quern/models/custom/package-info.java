/** A model that a recipe composes of parts. */
package quern.models.custom;
