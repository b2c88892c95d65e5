/** VQ-VAE: images as tokens and back. */
package quern.models.vqvae;
