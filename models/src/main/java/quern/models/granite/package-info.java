/** Granite. */
package quern.models.granite;
