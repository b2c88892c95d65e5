/**
 * The room {@code optim}: how weights change. {@link quern.optim.Optimizer} and the techniques that make one, {@link
 * quern.optim.Schedule} and its techniques, and clipping of gradients.
 *
 * <pre>{@code
 * OptimizerTechnique adamw = new AdamW();
 * Schedule schedule = new Cosine().create(1e-3, 100, 2_000, new Cosine.Config(0.5));
 * GradientClipping clipping = new GradientClipping(1.0);
 * try (Optimizer optimizer = adamw.create(groups, settings, new AdamW.Config(Optional.empty()))) {
 *     for (int step = 0; step < 2_000; step++) {
 *         // forward and backward
 *         optimizer.step(schedule.rate(step), clipping.measure(parameters).scale());
 *     }
 * }
 * }</pre>
 */
package quern.optim;
