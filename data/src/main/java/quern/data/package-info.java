/**
 * Text in, batches of token ids out: sources, tokenizers and their training, token shards on disk, the order of
 * examples, and objectives that only arrange tokens. Nothing here touches a tensor.
 */
package quern.data;
