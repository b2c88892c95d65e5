#!/bin/sh
# From the root of the checkout, with the text beside it in ../shared.
set -e
quern=${QUERN:-./quern}
here=records/2026-11-22-small-sets
mkdir -p runs/small-sets
head -c 300000 ../shared/data/tinyshakespeare.txt > runs/small-sets/text.txt
# What DSIR chooses by: the end of the part that trains, just before the held-out text.
head -c 281000 runs/small-sets/text.txt | tail -c 15000 > runs/small-sets/like.txt
# What scores rows: a model trained briefly on all of the part that trains.
$quern train $here/recipe.yaml dataset_distillation=null output_dir=runs/small-sets/scorer seed=99 max_steps=100
$quern data distill $here/recipe.yaml --seeds 3
# A tenth of the rows, chosen only.
$quern data distill $here/recipe.yaml output_dir=runs/small-sets/tenth dataset_distillation.rows=880 \
  dataset_distillation.method=null eval_steps=20 --seeds 3
# What the learnt rows begin as: rows of the text whose targets are softened.
method=dataset_distillation.method
$quern data distill $here/recipe.yaml output_dir=runs/small-sets/unmoved 'dataset_distillation.against=[random]' \
  $method.initializations=1 $method.steps=1 $method.vector_learning_rate=0 $method.target_learning_rate=0 --seeds 3
