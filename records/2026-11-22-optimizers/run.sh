#!/bin/sh
# From the root of the checkout, with the text beside it in ../shared.
exec ./quern compare records/2026-11-22-optimizers/recipe.yaml \
  --arm 'adamw: {optim: adamw}' \
  --arm 'adan: {optim: adan}' \
  --arm 'lion: {optim: lion, adam_beta2: 0.99}' \
  --arm 'shampoo: {optim: shampoo, optim_args: {grafting: adam, block_size: 128, refresh_steps: 20, momentum: 0.9}}' \
  --arm 'muon: {optim: muon}' \
  --arm 'soap: {optim: soap}' \
  --arm 'lamb: {optim: lamb}' \
  --arm 'adafactor: {optim: adafactor, optim_args: {relative_step: false, scale_parameter: false}}' \
  --arm 'schedule_free_adamw: {optim: schedule_free_adamw, lr_scheduler_type: constant_with_warmup, lr_scheduler_kwargs: {}}' \
  --arm 'sgd: {optim: sgd, optim_args: {momentum: 0.9}}' \
  --tune learning_rate=3e-4..1e-1:6 --tune-steps 200 --seeds 3 --output runs/compare-optimizers "$@"
