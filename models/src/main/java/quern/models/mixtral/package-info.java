/** Mixtral. */
package quern.models.mixtral;
