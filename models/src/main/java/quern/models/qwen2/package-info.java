/** Qwen 2. */
package quern.models.qwen2;
