/**
 * Recipes: YAML files become typed, validated records. {@link quern.recipe.RecipeFile} reads a file with what it extends
 * and the command line's overrides into a {@link quern.recipe.Block}; {@link quern.recipe.Recipe} is the top level of
 * one, and every room binds its own block to its own record. {@link quern.recipe.Techniques} finds what a recipe can
 * switch on, {@link quern.recipe.RecipeSchema} describes all of it for editors, and {@link quern.recipe.Goldens} replays
 * the cases that prove it.
 */
package quern.recipe;
