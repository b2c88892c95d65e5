/** Llama. */
package quern.models.llama;
