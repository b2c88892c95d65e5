/** What only this room uses: checkpoints, rope types, JSON files. */
package quern.models.internal;
