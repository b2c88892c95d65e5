/** Falcon. */
package quern.models.falcon;
