"""Times training steps of a GPT-2 shaped model and prints lines of JSON: one a group of steps, then a summary.

bf16 autocast over fp32 weights, AdamW with clipping at norm 1, as PyTorch users train. Tokens are a fixed stream that
any language can make: x starts at the seed and becomes (6364136223846793005 x + 1442695040888963407) mod 2^64 before each
token; the token is floor(V^u) - 1 with u = floor(x / 2^11) / 2^53, so small ids are frequent and the loss falls. A batch
takes the next rows of T + 1 tokens; targets are the inputs shifted by one.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

import measure
from gpt import Gpt, Shape, decayed_groups

MODELS = {"30m": dict(layers=6, heads=6, width=384), "124m": dict(layers=12, heads=12, width=768)}


def token_stream(count: int, vocab_size: int, seed: int) -> torch.Tensor:
    tokens, x = [], seed
    for _ in range(count):
        x = (6364136223846793005 * x + 1442695040888963407) % 2**64
        tokens.append(int(vocab_size ** ((x >> 11) / 2**53)) - 1)
    return torch.tensor(tokens)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="30m")
    parser.add_argument("--vocab-size", type=int, default=50304)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
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
    arguments = parser.parse_args()
    if min(arguments.steps, arguments.group) < 1 or arguments.warmup < 0:
        parser.error("--steps and --group must be at least 1, --warmup at least 0")
    return arguments


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    shape = Shape(
        arguments.vocab_size,
        arguments.length,
        **MODELS[arguments.model],
        bias=arguments.bias,
        approximate_gelu=arguments.gelu == "tanh",
    )
    model = Gpt(shape)
    groups = decayed_groups(model, 0.1)
    form = measure.fastest_adamw(groups) if arguments.adamw == "best" else arguments.adamw
    optimizer = torch.optim.AdamW(groups, lr=arguments.lr, betas=(0.9, 0.95), **measure.ADAMW_FORMS[form])
    forward = torch.compile(model) if arguments.compile else model

    count = arguments.warmup + arguments.steps
    stream = token_stream(
        count * arguments.batch * (arguments.length + 1), arguments.vocab_size, arguments.seed
    ).view(count, arguments.batch, arguments.length + 1)

    def step(index: int) -> float:
        with measure.precision_context(arguments.precision):
            loss = forward(stream[index, :, :-1], stream[index, :, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    losses = [step(index) for index in range(arguments.warmup)]
    rates = []
    for first in range(arguments.warmup, count, arguments.group):
        last = min(first + arguments.group, count)
        started = time.perf_counter()
        losses += [step(index) for index in range(first, last)]
        seconds = time.perf_counter() - started
        rates.append((last - first) * arguments.batch * arguments.length / seconds)
        line = {
            "step": last - arguments.warmup,
            "tokens_per_sec": round(rates[-1], 1),
            "step_seconds": round(seconds / (last - first), 4),
            "loss": losses[-1],
            "peak_rss_mb": round(measure.peak_rss_mb(), 1),
        }
        print(json.dumps(line), flush=True)
    print(
        json.dumps(
            {
                "engine": "pytorch " + torch.__version__ + (" compiled" if arguments.compile else " eager"),
                "model": arguments.model,
                "parameters": sum(p.numel() for p in model.parameters()),
                "batch": arguments.batch,
                "length": arguments.length,
                "precision": arguments.precision,
                "adamw": form,
                "threads": arguments.threads,
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
