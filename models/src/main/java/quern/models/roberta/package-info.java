/** RoBERTa. */
package quern.models.roberta;
