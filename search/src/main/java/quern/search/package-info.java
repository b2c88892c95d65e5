/** Arms trained on paired seeds, their comparison, and the pages that tell of it. */
package quern.search;
