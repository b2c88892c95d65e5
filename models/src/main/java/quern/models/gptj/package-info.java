/** GPT-J. */
package quern.models.gptj;
