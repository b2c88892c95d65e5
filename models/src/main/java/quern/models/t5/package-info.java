/** T5. */
package quern.models.t5;
