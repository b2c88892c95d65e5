#!/bin/sh
# From the root of the checkout, with the text beside it in ../shared.
set -e
here=records/2026-11-22-data-order
mkdir -p runs/data-order
python3 - <<'END'
text = open("../shared/data/tinyshakespeare.txt").read()
cut = lambda share: text.index("\n\n", int(len(text) * share)) + 2
parts = {"whole": (0, len(text)), "first": (0, cut(0.7)), "middle": (cut(0.7), cut(0.9)), "last": (cut(0.9), len(text))}
for name, (begin, end) in parts.items():
    open(f"runs/data-order/{name}.txt", "w").write(text[begin:end])
END
./quern compare $here/mixing.yaml --seeds 3 --output runs/data-order/mixing \
  --vary 'data.mixing=fixed,{type: temperature, temperature: 3},{type: online, smoothing: 0.9}'
data='path: runs/data-order/whole.txt, validation_share: 0.02, max_length: 32'
arm() { echo "$1: {data: {$data, curriculum: {$2}}}"; }
pace='pacing: root, start_share: 0.1, steps: 150'
./quern compare $here/curriculum.yaml --seeds 3 --output runs/data-order/curriculum \
  --arm 'none: {}' \
  --arm "$(arm rarity "type: rarity, $pace")" \
  --arm "$(arm compression "type: compression_ratio, $pace")" \
  --arm "$(arm hard-first "type: readability, order: hard_to_easy, $pace")" \
  --arm "$(arm self-paced "type: adaptive, mode: self_paced, steps: 150")" \
  --arm "$(arm loss-sampling "type: adaptive")"
