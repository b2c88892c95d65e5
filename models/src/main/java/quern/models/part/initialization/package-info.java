/** What new weights are drawn from. */
package quern.models.part.initialization;
