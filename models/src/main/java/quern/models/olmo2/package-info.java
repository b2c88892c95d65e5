/** OLMo 2. */
package quern.models.olmo2;
