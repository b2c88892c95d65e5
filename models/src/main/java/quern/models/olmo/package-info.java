/** OLMo. */
package quern.models.olmo;
