/** GLM. */
package quern.models.glm;
