/** GPT-2. */
package quern.models.gpt2;
