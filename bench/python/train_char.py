"""Trains a character model on a text file in nanoGPT's CPU setting and prints one line of JSON.

4 layers, 4 heads, width 128, context 64, batch 12, 2,000 steps; AdamW 1e-3 to 1e-4 by cosine after 100 warm-up steps,
betas 0.9 and 0.99, decay 0.1 on matrices, gradient norm clipped at 1, no dropout, no biases. The first 90% of the characters
train. The validation loss is the mean over non-overlapping windows of 64 targets of the whole last 10%.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import nn

import measure
from gpt import Gpt, Shape, decayed_groups

EVAL_ROWS = 256


def read_characters(path: Path) -> tuple[torch.Tensor, int]:
    """The text as ids of its sorted characters, and how many there are."""
    text = path.read_text(encoding="utf-8")
    ids = {character: i for i, character in enumerate(sorted(set(text)))}
    return torch.tensor([ids[c] for c in text]), len(ids)


def draw_batch(tokens: torch.Tensor, rows: int, length: int, generator: torch.Generator):
    """Windows at random places and the same shifted by one."""
    starts = torch.randint(len(tokens) - length, (rows, 1), generator=generator)
    windows = tokens[starts + torch.arange(length + 1)]
    return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def validation_loss(model: nn.Module, tokens: torch.Tensor, length: int, precision: str) -> tuple[float, int]:
    """Mean loss over all non-overlapping windows, and the number of targets counted."""
    windows = (len(tokens) - 1) // length
    inputs = tokens[: windows * length].view(windows, length)
    targets = tokens[1 : windows * length + 1].view(windows, length)
    total = 0.0
    for first in range(0, windows, EVAL_ROWS):
        rows = slice(first, first + EVAL_ROWS)
        with measure.precision_context(precision):
            total += model(inputs[rows], targets[rows]).item() * inputs[rows].numel()
    return total / (windows * length), windows * length


def learning_rate(step: int, arguments) -> float:
    """Linear warm-up, then half a cosine down to the lowest rate at the last step."""
    if step < arguments.warmup:
        return arguments.lr * (step + 1) / (arguments.warmup + 1)
    progress = (step - arguments.warmup) / max(1, arguments.steps - arguments.warmup)
    return arguments.min_lr + (arguments.lr - arguments.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="a UTF-8 text file")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--min-lr", type=float, default=1e-4)
    parser.add_argument("--bias", action="store_true", help="biases in norms and matrices, as Hugging Face's GPT-2 has")
    parser.add_argument("--gelu", choices=["exact", "tanh"], default="exact")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--adamw", choices=["best", *measure.ADAMW_FORMS], default="best")
    parser.add_argument("--eval-every", type=int, default=0, help="also validate every so many steps (0: at the end only)")
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    tokens, vocab_size = read_characters(arguments.text)
    split = int(0.9 * len(tokens))
    train, validation = tokens[:split], tokens[split:]

    shape = Shape(
        vocab_size,
        arguments.length,
        arguments.layers,
        arguments.heads,
        arguments.width,
        arguments.bias,
        arguments.gelu == "tanh",
    )
    model = Gpt(shape)
    groups = decayed_groups(model, 0.1)
    form = measure.fastest_adamw(groups) if arguments.adamw == "best" else arguments.adamw
    optimizer = torch.optim.AdamW(groups, lr=arguments.lr, betas=(0.9, 0.99), **measure.ADAMW_FORMS[form])

    evaluations, eval_seconds = [], 0.0
    started = time.perf_counter()
    for step in range(arguments.steps):
        if arguments.eval_every and step and step % arguments.eval_every == 0:
            before = time.perf_counter()
            evaluations.append([step, validation_loss(model, validation, arguments.length, arguments.precision)[0]])
            eval_seconds += time.perf_counter() - before
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, arguments)
        inputs, targets = draw_batch(train, arguments.batch, arguments.length, generator)
        with measure.precision_context(arguments.precision):
            loss = model(inputs, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    train_seconds = time.perf_counter() - started
    before = time.perf_counter()
    final_loss, counted = validation_loss(model, validation, arguments.length, arguments.precision)
    final_eval_seconds = time.perf_counter() - before
    print(
        json.dumps(
            {
                "engine": "pytorch " + torch.__version__,
                "adamw": form,
                "precision": arguments.precision,
                "threads": arguments.threads,
                "parameters": sum(p.numel() for p in model.parameters()),
                "steps": arguments.steps,
                "train_seconds": round(train_seconds, 3),
                "eval_seconds_inside": round(eval_seconds, 3),
                "final_eval_seconds": round(final_eval_seconds, 3),
                "process_seconds": round(measure.process_seconds(), 3),
                "tokens_per_sec": round(
                    arguments.steps * arguments.batch * arguments.length / (train_seconds - eval_seconds), 1
                ),
                "evaluations": evaluations,
                "train_loss": loss.item(),
                "eval_loss": final_loss,
                "eval_tokens": counted,
                "peak_rss_mb": round(measure.peak_rss_mb(), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
