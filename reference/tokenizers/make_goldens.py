"""Golden cases of kinds tokenizer_training and tokenizer, made with the Hugging Face tokenizers library.

Usage: python make_goldens.py OUTPUT_FOLDER   (the committed ones: data/src/test/resources/goldens)

The texts are written by this script from fixed seeds: plain sentences, and lines that are hard for a tokenizer
(combining marks, joined emoji, right-to-left text, long runs, digits, white space of all kinds).
"""

import json
import random
import sys
from pathlib import Path

import numpy
import tokenizers
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HARD = [
    "a", "aa", "aaaa", "b", "ab", "ba", "abc", " ", "  ", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "\r",
    "'s", "'t", "'re", "'ve", "'ll", "'d", "'m", "'", "''", "\u2019s", "'S", "1", "12", "2026", "\u00bd", "\u2167",
    "\u0663", "\u096f", "\u00e9", "e\u0301", "a\u0308\u0323", "\u00df", "\u0131", "\u03a9", "\u05d0",
    "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u200f", "\u200d",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\U0001f1eb\U0001f1f7", "\ufe0f",
    "\u6f22\u5b57", "\u304b\u306a", "\ud55c\uad6d\uc5b4", "\u0e44\u0e17\u0e22", "!", "...", "--", "_", "\x01", "\x7f",
    "\ufeff", "\ufffd", "\U0001d518", "\U00010348", "the", "The", " the", "<|endoftext|>", "<", "|", ">",
]
SUBJECTS = "the miller,a grey goose,my neighbour,the old clock,every child,nobody,the north wind,a patient cat".split(",")
VERBS = "waited for,painted,carried,remembered,did not like,wouldn't sell,counted,had forgotten".split(",")
OBJECTS = "the bridge,twelve apples,a letter from 1987,three hundred and five sheep,it's shadow,the river's edge".split(",")


def plain_lines(seed: int, count: int) -> list[str]:
    """Sentences from small word lists."""
    draw = random.Random(seed)
    lines = []
    for _ in range(count):
        sentence = f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)} {draw.choice(OBJECTS)}"
        lines.append(sentence[0].upper() + sentence[1:] + draw.choice([".", "!", "?", ", and so on..."]))
    return lines


def hard_lines(seed: int, count: int) -> list[str]:
    """Lines made of difficult pieces and runs."""
    draw = random.Random(seed)
    lines = []
    for _ in range(count):
        kind = draw.random()
        if kind < 0.1:
            lines.append(draw.choice("ab1 ") * draw.randint(1, 60))
        elif kind < 0.2:
            lines.append("".join(draw.choice("ab") for _ in range(draw.randint(1, 40))))
        else:
            lines.append("".join(draw.choice(HARD) for _ in range(draw.randint(1, 12))))
    return lines


def run_lines(seed: int, count: int) -> list[str]:
    """Runs of one or two letters, where pairs overlap and one token can arise in two ways."""
    draw = random.Random(seed)
    return ["".join(draw.choice("ab") * draw.randint(1, 9) for _ in range(draw.randint(1, 8))) for _ in range(count)]


def write_lines(path: Path, lines: list[str]) -> None:
    """Writes the lines without a line end after the last."""
    path.write_bytes("\n".join(lines).encode("utf-8"))


def save_ids(folder: Path, tokenizer: Tokenizer, lines: list[str]) -> None:
    """The ids of all lines, one after the other, without special tokens."""
    ids = [i for line in lines for i in tokenizer.encode(line, add_special_tokens=False).ids]
    save_file({"ids": numpy.array(ids, dtype=numpy.int64)}, folder / "golden.safetensors")


def write_case(folder: Path, case: dict) -> None:
    """case.json, with the version of the library that made it."""
    case["made_with"] = {"tokenizers": tokenizers.__version__}
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")


def training_case(
    output: Path, name: str, lines: list[str], held_out: list[str], vocab_size: int, min_frequency: int
) -> None:
    """Trains byte-level BPE line by line."""
    folder = output / f"tokenizer_training-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    special_tokens = ["<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    write_lines(folder / "text.txt", lines)
    write_lines(folder / "eval.txt", held_out)
    tokenizer.save(str(folder / "expected_tokenizer.json"), pretty=False)
    save_ids(folder, tokenizer, held_out)
    write_case(
        folder,
        {
            "kind": "tokenizer_training",
            "name": name,
            "type": "bpe",
            "vocab_size": vocab_size,
            "min_frequency": min_frequency,
            "special_tokens": special_tokens,
            "text_file": "text.txt",
            "eval_file": "eval.txt",
            "expected": "expected_tokenizer.json",
        },
    )


def encoding_case(output: Path, name: str, trained: str, lines: list[str]) -> None:
    """Encodes other lines by a tokenizer trained above."""
    source = output / f"tokenizer_training-{trained}" / "expected_tokenizer.json"
    folder = output / f"tokenizer-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(source.read_bytes())
    write_lines(folder / "text.txt", lines)
    save_ids(folder, Tokenizer.from_file(str(source)), lines)
    write_case(folder, {"kind": "tokenizer", "name": name, "text_file": "text.txt"})


def main() -> None:
    """Writes every case."""
    output = Path(sys.argv[1])
    training_case(output, "bpe-plain", plain_lines(1, 400), plain_lines(2, 100), 600, 2)
    training_case(output, "bpe-hard", hard_lines(3, 1500), hard_lines(4, 300) + plain_lines(5, 20), 900, 2)
    training_case(output, "bpe-runs", run_lines(6, 400), run_lines(7, 60), 700, 0)
    encoding_case(output, "bpe-hard", "bpe-hard", hard_lines(8, 300) + plain_lines(9, 50))


if __name__ == "__main__":
    main()
