package quern.models.part;

import quern.recipe.Technique;

/**
 * A part that a recipe can choose for a model of family {@code custom}. The key under {@code model} is the {@link #kind}; its
 * value is the {@link #id}, or a block whose {@code type} is the id and whose other keys are the part's settings. The record
 * that holds these, {@link #config}, is the part: it implements the interface of its kind in this package.
 */
public interface PartTechnique extends Technique {}
