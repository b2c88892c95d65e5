/** ModernBERT. */
package quern.models.modernbert;
