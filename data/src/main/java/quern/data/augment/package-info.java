/** Augmentation: other texts of the same meaning or near it, and other forms of the same content. */
package quern.data.augment;
