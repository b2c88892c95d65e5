#!/bin/sh
# From the root of the checkout, with the text beside it in ../shared.
exec ./quern compare records/2026-11-22-schedules/recipe.yaml \
  --arm 'cosine: {lr_scheduler_type: cosine, lr_scheduler_kwargs: {}}' \
  --arm 'constant: {lr_scheduler_type: constant, lr_scheduler_kwargs: {}, warmup_steps: 0}' \
  --arm 'constant_with_warmup: {lr_scheduler_type: constant_with_warmup, lr_scheduler_kwargs: {}}' \
  --arm 'linear: {lr_scheduler_type: linear, lr_scheduler_kwargs: {}}' \
  --arm 'cosine_with_min_lr: {lr_scheduler_type: cosine_with_min_lr, lr_scheduler_kwargs: {min_lr_rate: 0.1}}' \
  --arm 'cosine_with_restarts: {lr_scheduler_type: cosine_with_restarts, lr_scheduler_kwargs: {num_cycles: 3}}' \
  --arm 'polynomial: {lr_scheduler_type: polynomial, lr_scheduler_kwargs: {power: 2.0}}' \
  --arm 'inverse_sqrt: {lr_scheduler_type: inverse_sqrt, lr_scheduler_kwargs: {}}' \
  --arm 'exponential: {lr_scheduler_type: exponential, lr_scheduler_kwargs: {gamma: 0.985}}' \
  --arm 'wsd: {lr_scheduler_type: wsd, lr_scheduler_kwargs: {num_decay_steps: 50}}' \
  --arm 'one_cycle: {lr_scheduler_type: one_cycle, lr_scheduler_kwargs: {}, warmup_steps: 0}' \
  --arm 'cyclical: {lr_scheduler_type: cyclical, lr_scheduler_kwargs: {base_lr: 1e-4, step_size_up: 25, mode: triangular2}}' \
  --arm 'reduce_lr_on_plateau: {lr_scheduler_type: reduce_lr_on_plateau, lr_scheduler_kwargs: {patience: 0, factor: 0.3, threshold: 0.01}}' \
  learning_rate=3e-3 max_steps=200 eval_steps=20 --seeds 2 --output runs/compare-schedules "$@"
