/** Work on data that needs a model: scores of texts, core sets by them, and texts written anew. */
package quern.curate;
