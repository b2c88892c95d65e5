/** GPT-Neo. */
package quern.models.gptneo;
