#!/bin/sh
# From the root of the checkout, with the text beside it in ../shared; goes on where it was stopped. All arms are trained in
# one comparison, whose order moves on with each seed; then each question gets a page of its own from the same runs, so that
# its p-values are corrected for the arms of that question.
set -eu
recipes=records/2026-11-22-architecture/recipes
runs=runs/architecture
seeds=${seeds:-2}

position() {
  next=$1
  shift
  $next "$@" \
    --arm 'none: {model: {position: none}}' \
    --arm 'learned: {model: {position: learned}}' \
    --arm 'sinusoidal: {model: {position: sinusoidal}}' \
    --arm 'alibi: {model: {position: alibi}}' \
    --arm 'relative: {model: {position: relative}}' \
    --arm 'shaw: {model: {position: shaw}}'
}

# A gate makes three maps of two: 3 x 64 x 176 = 2 x 64 x 264 weights.
feed_forward() {
  next=$1
  shift
  $next "$@" \
    --arm 'geglu: {model: {feed_forward: geglu}}' \
    --arm 'gelu: {model: {feed_forward: gelu, intermediate_size: 264}}' \
    --arm 'relu: {model: {feed_forward: relu, intermediate_size: 264}}' \
    --arm 'relu2: {model: {feed_forward: relu2, intermediate_size: 264}}'
}

attention() {
  next=$1
  shift
  $next "$@" \
    --arm 'gqa: {model: {attention: gqa, num_key_value_heads: 2}}' \
    --arm 'mqa: {model: {attention: mqa}}'
}

# Two experts of 88, or one of 176, do the products of one feed-forward part of 176; the routers come on top.
experts() {
  next=$1
  shift
  $next "$@" \
    --arm 'moe-2-of-4: {model: {feed_forward: {type: moe, num_local_experts: 4, num_experts_per_tok: 2}, intermediate_size: 88}}' \
    --arm 'switch-1-of-4: {model: {feed_forward: {type: switch, num_local_experts: 4, expert: swiglu}}}'
}

# Widths at which a model with shared blocks has as many weights as the baseline.
sharing() {
  next=$1
  shift
  $next "$@" \
    --arm 'albert: {model: {weight_sharing: albert, hidden_size: 128, intermediate_size: 342}}' \
    --arm 'universal: {model: {weight_sharing: universal, hidden_size: 128, intermediate_size: 342}}' \
    --arm 'recursive: {model: {weight_sharing: {type: recursive, num_recursions: 2, lora_rank: 4}, hidden_size: 88, intermediate_size: 212}}'
}

norm() {
  next=$1
  shift
  $next "$@" \
    --arm 'layer-pre: {model: {norm: layer_norm}}' \
    --arm 'rms-post: {model: {norm_placement: post}}' \
    --arm 'layer-post: {model: {norm: layer_norm, norm_placement: post}}' \
    --arm 'rms-sandwich: {model: {norm_placement: sandwich}}' \
    --arm 'layer-sandwich: {model: {norm: layer_norm, norm_placement: sandwich}}'
}

compare() {
  folder=$1
  shift
  ./quern compare $recipes/base.yaml --arm 'base: {}' "$@" --seeds "$seeds" --output "$runs/$folder"
}

# Lays the ended runs of a question's arms into a folder of their own; compare takes them as they are.
page() {
  folder=$1
  for arm in base "$@"; do
    name=${arm%%:*}
    if [ -d "$runs/all/$name" ] && [ ! -e "$runs/$folder/$name" ]; then
      mkdir -p "$runs/$folder"
      cp -r "$runs/all/$name" "$runs/$folder/$name"
    fi
  done
  compare "$@"
}

position feed_forward attention experts sharing norm compare all

for question in norm position feed_forward attention experts sharing; do
  $question page $question
done

for seed in $(seq "$seeds"); do
  for share in equal-steps equal-compute; do
    run=$runs/growth/$share/seed-$seed
    [ -e "$run/model.safetensors" ] || ./quern train $recipes/grow-$share.yaml seed="$seed" output_dir="$run"
  done
done
./quern compare $runs/all/base/seed-[1-"$seeds"] $runs/growth/*/seed-[1-"$seeds"] --output $runs/growth-page
