/** Ways in which the blocks of a composed model have their weights in common. */
package quern.models.part.sharing;
