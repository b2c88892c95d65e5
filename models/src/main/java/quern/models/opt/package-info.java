/** OPT. */
package quern.models.opt;
