/** Qwen 3. */
package quern.models.qwen3;
