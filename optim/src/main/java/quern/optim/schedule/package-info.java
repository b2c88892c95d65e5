/** The learning-rate schedules, one a file: what a recipe chooses with {@code lr_scheduler_type}. */
package quern.optim.schedule;
