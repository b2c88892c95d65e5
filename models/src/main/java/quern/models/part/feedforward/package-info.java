/** Feed-forward parts. */
package quern.models.part.feedforward;
