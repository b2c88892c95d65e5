/** ERNIE 4.5. */
package quern.models.ernie45;
