/** BERT, and what the families that follow it share with it. */
package quern.models.bert;
