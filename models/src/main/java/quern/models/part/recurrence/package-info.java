/** What blocks carry from one stretch of a text to the next. */
package quern.models.part.recurrence;
