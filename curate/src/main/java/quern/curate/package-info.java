/** Work on data that needs a model: scores of texts, core sets by them, small learnt sets, and texts written anew. */
package quern.curate;
