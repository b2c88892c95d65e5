/** GPT-NeoX. */
package quern.models.gptneox;
