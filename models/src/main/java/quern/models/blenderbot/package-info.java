/** Blenderbot. */
package quern.models.blenderbot;
