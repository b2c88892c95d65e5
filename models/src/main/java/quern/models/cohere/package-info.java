/** Cohere. */
package quern.models.cohere;
