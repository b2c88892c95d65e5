/**
 * Families of language models, Hugging Face folders in and out, and generation. A family is a sub-package of three
 * classes: {@code Config}, {@code Model}, {@code HfKeys}. {@link quern.models.LanguageModel} is a model with its
 * weights, {@link quern.models.ModelSpec} one without, {@link quern.models.Generator} adds tokens to prompts.
 */
package quern.models;
