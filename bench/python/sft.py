"""Times Hugging Face's Trainer on instruction rows and prints lines of JSON: one a group of steps, then a summary.

The rows have the form of Alpaca; prompt and answer are tokens of the tokenizer.json given, which is what Quern trained, and
only answers count; the rows come in the order of --order, which is Quern's. The model is Hugging Face's Llama in the shape of bench/sft.yaml, bf16 autocast over fp32 weights, AdamW
with clipping at norm 1. `--rows padded` pads a batch to its longest row; `--rows flat` puts the rows of a batch one behind
another without padding (DataCollatorWithFlattening). With --paced it takes a group for each line on standard input; the
first line, unasked, says what is timed.
"""

import argparse
import collections
import json
import statistics
import sys
import time
from pathlib import Path

import tokenizers
import torch
from transformers import (
    DataCollatorForSeq2Seq,
    DataCollatorWithFlattening,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import measure

WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
NOT_COUNTED = -100
MAX_LENGTH = 512


class Rows(torch.utils.data.Dataset):
    """Prompt and answer as ids and labels; rows with more than MAX_LENGTH tokens before the last are left out."""

    def __init__(self, file: Path, tokenizer: tokenizers.Tokenizer, end: int):
        self.rows = []
        for row in json.loads(file.read_text(encoding="utf-8")):
            row = {"input": "", **row}
            template = WITH_INPUT if row["input"] else WITHOUT_INPUT
            prompt = tokenizer.encode(template.format(**row), add_special_tokens=False).ids
            answer = [*tokenizer.encode(row["output"], add_special_tokens=False).ids, end]
            if len(prompt) + len(answer) - 1 <= MAX_LENGTH:
                labels = [NOT_COUNTED] * len(prompt) + answer
                self.rows.append({"input_ids": prompt + answer, "labels": labels})

    def arrange(self, order: list[list[int]]) -> None:
        """Puts the rows in this order of their tokens."""
        rows = collections.defaultdict(list)
        for row in self.rows:
            rows[tuple(row["input_ids"])].append(row)
        if collections.Counter(map(tuple, order)) != {tokens: len(same) for tokens, same in rows.items()}:
            raise SystemExit(f"--order has {len(order)} rows, --data {len(self.rows)}, and they are not the same")
        self.rows = [rows[tuple(tokens)].pop(0) for tokens in order]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        return self.rows[index]


class Stop(Exception):
    """All turns are taken."""


class Turns(TrainerCallback):
    """Cuts the training into groups of steps and prints each; waits for a line before one where paced."""

    def __init__(self, arguments: argparse.Namespace, subject: dict):
        self.arguments = arguments
        self.subject = subject
        self.steps = 0
        self.tokens = 0
        self.counted = 0
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.counted_rates: list[float] = []
        self.started = 0.0

    def saw(self, labels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> None:
        self.tokens += int(mask.sum()) if mask is not None else ids.numel()
        self.counted += int((labels != NOT_COUNTED).sum())

    def on_step_end(self, args, state, control, **kwargs):
        self.steps += 1
        done = self.steps - self.arguments.warmup
        if done == 0 and self.arguments.paced:
            print(json.dumps(self.subject), flush=True)
        if done < 0 or done % self.arguments.group != 0:
            return
        if done > 0:
            self.ended(done)
        if done >= self.arguments.steps and not self.arguments.paced:
            raise Stop
        if self.arguments.paced and not sys.stdin.readline():
            raise Stop
        self.tokens = self.counted = 0
        self.started = time.perf_counter()

    def ended(self, done: int) -> None:
        seconds = time.perf_counter() - self.started
        self.rates.append(self.tokens / seconds)
        self.counted_rates.append(self.counted / seconds)
        line = {
            "step": done,
            "tokens_per_sec": round(self.rates[-1], 1),
            "counted_tokens_per_sec": round(self.counted_rates[-1], 1),
            "step_seconds": round(seconds / self.arguments.group, 4),
            "loss": self.losses[-1],
            "peak_rss_mb": round(measure.peak_rss_mb(), 1),
        }
        print(json.dumps(line), flush=True)


class Observed(Trainer):
    """Trainer that tells what each step read and the mean loss of its counted tokens."""

    turns: Turns

    def _get_train_sampler(self, train_dataset=None):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def training_step(self, model, inputs, num_items_in_batch=None):
        self.turns.saw(inputs["labels"], inputs["input_ids"], inputs.get("attention_mask"))
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.turns.losses.append(loss.item())
        return loss


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json")
    parser.add_argument("--order", type=Path, required=True, help="JSON: the tokens of every row, in order")
    parser.add_argument("--end-token", default="<|endoftext|>", help="the token after an answer")
    parser.add_argument("--rows", choices=["padded", "flat"], default="padded")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--warmup", type=int, default=3, help="steps before timing")
    parser.add_argument("--group", type=int, default=5, help="steps a printed line covers")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--paced", action="store_true")
    arguments = parser.parse_args()
    if min(arguments.steps, arguments.group, arguments.warmup, arguments.batch) < 1:
        parser.error("--steps, --group, --warmup and --batch must be at least 1")
    return arguments


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    tokenizer = tokenizers.Tokenizer.from_file(str(arguments.tokenizer))
    end = tokenizer.token_to_id(arguments.end_token)
    if end is None:
        raise SystemExit(f"{arguments.tokenizer} has no token {arguments.end_token}; give --end-token")
    rows = Rows(arguments.data, tokenizer, end)
    rows.arrange(json.loads(arguments.order.read_text(encoding="utf-8")))
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=512,
            intermediate_size=1408,
            num_hidden_layers=8,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=MAX_LENGTH,
            tie_word_embeddings=False,
            use_cache=False,
        )
    )
    if arguments.rows == "flat":
        collator = DataCollatorWithFlattening()
    else:
        wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=arguments.end_token)
        collator = DataCollatorForSeq2Seq(wrapped, padding=True)
    subject = {
        "engine": f"transformers Trainer, {arguments.rows} rows, pytorch {torch.__version__}",
        "model": "sft",
        "parameters": sum(p.numel() for p in model.parameters()),
        "rows": len(rows),
        "batch": arguments.batch,
        "vocabulary": tokenizer.get_vocab_size(),
        "precision": arguments.precision,
        "threads": arguments.threads,
    }
    turns = Turns(arguments, subject)
    trainer = Observed(
        model=model,
        args=TrainingArguments(
            output_dir="trainer-output-unused",
            per_device_train_batch_size=arguments.batch,
            max_steps=10**6,
            learning_rate=arguments.lr,
            lr_scheduler_type="constant",
            weight_decay=0.1,
            adam_beta2=0.95,
            max_grad_norm=1.0,
            bf16=arguments.precision == "bf16",
            use_cpu=True,
            optim="adamw_torch_fused",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=arguments.seed,
            dataloader_drop_last=True,
        ),
        train_dataset=rows,
        data_collator=collator,
        callbacks=[turns],
    )
    trainer.turns = turns
    try:
        trainer.train()
    except Stop:
        pass
    if not turns.rates:
        raise SystemExit("no step was asked for on standard input")
    print(
        json.dumps(
            {
                **subject,
                "tokens_per_sec": round(statistics.median(turns.rates), 1),
                "counted_tokens_per_sec": round(statistics.median(turns.counted_rates), 1),
                "first_loss": turns.losses[0],
                "loss": turns.losses[-1],
                "peak_rss_mb": round(measure.peak_rss_mb(), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
