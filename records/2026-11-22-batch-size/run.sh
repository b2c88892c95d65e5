#!/bin/sh
# From the root of the checkout, with the text beside it in ../shared.
exec ./quern sweep records/2026-11-22-batch-size/recipe.yaml learning_rate=5e-3 \
  --over per_device_train_batch_size=3,6,12,24,48 --scale-rate sqrt --seeds 3 --output runs/sweep-batch-size "$@"
