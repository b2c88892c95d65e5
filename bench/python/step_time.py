"""Times training steps of a GPT-2 shaped model, or of Hugging Face's Llama, and prints lines of JSON: one a group of
steps, then a summary. With --paced it takes a group for each line on standard input; the first line, unasked, says what is
timed.

bf16 autocast over fp32 weights, AdamW with clipping at norm 1, as PyTorch users train. Tokens are a fixed stream that
any language can make: x starts at the seed and becomes (6364136223846793005 x + 1442695040888963407) mod 2^64 before each
token; the token is floor(V^u) - 1 with u = floor(x / 2^11) / 2^53, so small ids are frequent and the loss falls. A batch
takes the next rows of T + 1 tokens; targets are the inputs shifted by one.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator

import torch
from torch import nn

import measure
from gpt import Gpt, Shape, decayed_groups

# Layers, heads, width; vocabulary, rows a step, tokens a row.
MODELS = {
    "char": (dict(layers=4, heads=4, width=128), (65, 12, 64)),
    "30m": (dict(layers=6, heads=6, width=384), (50304, 8, 256)),
    "124m": (dict(layers=12, heads=12, width=768), (50304, 4, 512)),
    "llama60m": (dict(layers=8, heads=8, width=512), (32000, 4, 512)),
}


class Llama(nn.Module):
    """Hugging Face's Llama with its own loss, called as Gpt is; heads of keys and values serve two queries each."""

    def __init__(self, vocab_size: int, context: int, layers: int, heads: int, width: int):
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        self.model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab_size,
                hidden_size=width,
                intermediate_size=1408,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                num_key_value_heads=heads // 2,
                max_position_embeddings=context,
                tie_word_embeddings=False,
                use_cache=False,
            )
        )

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=ids, labels=targets, shift_labels=targets.contiguous()).loss


def tokens(vocab_size: int, seed: int) -> Iterator[int]:
    x = seed
    while True:
        x = (6364136223846793005 * x + 1442695040888963407) % 2**64
        yield int(vocab_size ** ((x >> 11) / 2**53)) - 1


def token_stream(count: int, vocab_size: int, seed: int) -> torch.Tensor:
    return torch.tensor(list(itertools.islice(tokens(vocab_size, seed), count)))


def batches(rows: int, length: int, vocab_size: int, seed: int) -> Iterator[torch.Tensor]:
    """One batch [rows, length + 1] after another."""
    stream = tokens(vocab_size, seed)
    while True:
        yield torch.tensor(list(itertools.islice(stream, rows * (length + 1)))).view(rows, length + 1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="30m")
    parser.add_argument("--vocab-size", type=int, default=0, help="0 for the model's")
    parser.add_argument("--batch", type=int, default=0, help="rows a step; 0 for the model's")
    parser.add_argument("--length", type=int, default=0, help="tokens a row; 0 for the model's")
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--warmup", type=int, default=3, help="steps before timing")
    parser.add_argument("--group", type=int, default=5, help="steps a printed line covers")
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--bias", action="store_true", help="biases in norms and matrices, as Hugging Face's GPT-2 has")
    parser.add_argument("--gelu", choices=["exact", "tanh"], default="exact")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--adamw", choices=["best", *measure.ADAMW_FORMS], default="best")
    parser.add_argument("--compile", action="store_true", help="torch.compile; needs a C++ compiler")
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--paced", action="store_true")
    arguments = parser.parse_args()
    vocab_size, batch, length = MODELS[arguments.model][1]
    arguments.vocab_size = arguments.vocab_size or vocab_size
    arguments.batch = arguments.batch or batch
    arguments.length = arguments.length or length
    if min(arguments.steps, arguments.group) < 1 or arguments.warmup < 0:
        parser.error("--steps and --group must be at least 1, --warmup at least 0")
    return arguments


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    sizes = MODELS[arguments.model][0]
    if arguments.model.startswith("llama"):
        model = Llama(arguments.vocab_size, arguments.length, **sizes)
    else:
        model = Gpt(
            Shape(
                arguments.vocab_size,
                arguments.length,
                **sizes,
                bias=arguments.bias,
                approximate_gelu=arguments.gelu == "tanh",
            )
        )
    groups = decayed_groups(model, 0.1)
    form = measure.fastest_adamw(groups) if arguments.adamw == "best" else arguments.adamw
    optimizer = torch.optim.AdamW(groups, lr=arguments.lr, betas=(0.9, 0.95), **measure.ADAMW_FORMS[form])
    forward = torch.compile(model) if arguments.compile else model

    stream = batches(arguments.batch, arguments.length, arguments.vocab_size, arguments.seed)

    def step(rows: torch.Tensor) -> float:
        with measure.precision_context(arguments.precision):
            loss = forward(rows[:, :-1], rows[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    losses = [step(next(stream)) for _ in range(arguments.warmup)]
    subject = {
        "engine": "pytorch " + torch.__version__ + (" compiled" if arguments.compile else " eager"),
        "model": arguments.model,
        "parameters": sum(p.numel() for p in model.parameters()),
        "batch": arguments.batch,
        "length": arguments.length,
        "precision": arguments.precision,
        "adamw": form,
        "threads": arguments.threads,
    }
    rates = []

    def group(size: int) -> None:
        rows = list(itertools.islice(stream, size))
        started = time.perf_counter()
        losses.extend(step(batch) for batch in rows)
        seconds = time.perf_counter() - started
        rates.append(size * arguments.batch * arguments.length / seconds)
        line = {
            "step": len(losses) - arguments.warmup,
            "tokens_per_sec": round(rates[-1], 1),
            "step_seconds": round(seconds / size, 4),
            "loss": losses[-1],
            "peak_rss_mb": round(measure.peak_rss_mb(), 1),
        }
        print(json.dumps(line), flush=True)

    if arguments.paced:
        print(json.dumps(subject), flush=True)
        for _ in sys.stdin:
            group(arguments.group)
    else:
        for first in range(0, arguments.steps, arguments.group):
            group(min(arguments.group, arguments.steps - first))
    print(
        json.dumps(
            {
                **subject,
                "tokens_per_sec": round(statistics.median(rates), 1),
                "tokens_per_sec_min": round(min(rates), 1),
                "tokens_per_sec_max": round(max(rates), 1),
                "first_loss": losses[0],
                "loss": losses[-1],
                "peak_rss_mb": round(measure.peak_rss_mb(), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
