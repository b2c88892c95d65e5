/** CLIP. */
package quern.models.clip;
