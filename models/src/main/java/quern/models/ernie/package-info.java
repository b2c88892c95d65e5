/** ERNIE. */
package quern.models.ernie;
