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
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

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


def invented_lines(seed: int, count: int) -> list[str]:
    """Words of an invented language, a few of them in most places."""
    words = random.Random(99)
    onsets = ",b,c,d,f,g,h,k,l,m,n,p,r,s,t,st,tr,sh,th".split(",")
    nuclei = "a,e,i,o,u,ea,ou".split(",")
    codas = ",,,n,r,s,t,l".split(",")
    known = [
        "".join(words.choice(onsets) + words.choice(nuclei) + words.choice(codas) for _ in range(words.randint(1, 3)))
        for _ in range(600)
    ]
    draw = random.Random(seed)
    return [
        " ".join(known[min(int(draw.paretovariate(0.7)), 600) - 1] for _ in range(draw.randint(3, 12)))
        for _ in range(count)
    ]


def foreign_lines(seed: int, count: int) -> list[str]:
    """Words put together of syllables of several scripts, some with accents."""
    draw = random.Random(seed)
    syllables = [
        "schön ge stern über mäd chen brücke fluß ".split(),
        "дом река ночь свет ель ник ов ская ".split(),
        "νερό σπί τι θάλασ σα φως ".split(),
        "été garçon çà où naïve chê ne ".split(),
        "山 川 月 光 水 日本 語 ".split(),
        "بيت نور ماء قمر ".split(),
    ]
    lines = []
    for _ in range(count):
        words = []
        for _ in range(draw.randint(2, 9)):
            script = draw.choice(syllables)
            word = "".join(draw.choice(script) for _ in range(draw.randint(1, 3)))
            words.append(word.capitalize() if draw.random() < 0.2 else word)
        lines.append(" ".join(words) + draw.choice([".", "!", "?", "…", "。", ""]))
    return lines


def byte_level_bpe(vocab_size: int, min_frequency: int, special_tokens: list[str]) -> tuple:
    """Byte-level BPE as GPT-2 has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def wordpiece(vocab_size: int, min_frequency: int, special_tokens: list[str]) -> tuple:
    """WordPiece as BERT has it."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=special_tokens, show_progress=False
    )


def unigram(vocab_size: int, min_frequency: int, special_tokens: list[str]) -> tuple:
    """Unigram as SentencePiece has it; there is no least frequency."""
    assert min_frequency == 0
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=vocab_size,
        special_tokens=special_tokens,
        unk_token="<unk>",
        shrinking_factor=0.75,
        n_sub_iterations=2,
        max_piece_length=16,
        show_progress=False,
    )


KINDS = {"bpe": byte_level_bpe, "wordpiece": wordpiece, "unigram": unigram}


def training_case(
    output: Path,
    name: str,
    lines: list[str],
    held_out: list[str],
    vocab_size: int,
    min_frequency: int,
    special_tokens: list[str],
) -> None:
    """Trains line by line what the name begins with."""
    folder = output / f"tokenizer_training-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    kind = name.split("-")[0]
    tokenizer, trainer = KINDS[kind](vocab_size, min_frequency, special_tokens)
    tokenizer.train_from_iterator(lines, trainer)
    write_lines(folder / "text.txt", lines)
    write_lines(folder / "eval.txt", held_out)
    tokenizer.save(str(folder / "expected_tokenizer.json"), pretty=False)
    save_ids(folder, tokenizer, held_out)
    case = {
        "kind": "tokenizer_training",
        "name": name,
        "type": kind,
        "vocab_size": vocab_size,
        "min_frequency": min_frequency,
        "special_tokens": special_tokens,
        "text_file": "text.txt",
        "eval_file": "eval.txt",
        "expected": "expected_tokenizer.json",
    }
    if kind == "unigram":
        case["tolerance"] = 0.02
    write_case(folder, case)


def encoding_case(output: Path, name: str, trained: str, lines: list[str]) -> None:
    """Encodes other lines by a tokenizer trained above."""
    source = output / f"tokenizer_training-{trained}" / "expected_tokenizer.json"
    folder = output / f"tokenizer-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(source.read_bytes())
    write_lines(folder / "text.txt", lines)
    save_ids(folder, Tokenizer.from_file(str(source)), lines)
    write_case(folder, {"kind": "tokenizer", "name": name, "text_file": "text.txt"})


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCE_PIECE = ["<unk>", "<s>", "</s>"]


def main() -> None:
    """Writes every case."""
    output = Path(sys.argv[1])
    end = ["<|endoftext|>"]
    mixed = hard_lines(3, 1500)
    held_out = hard_lines(4, 300) + plain_lines(5, 20)
    training_case(output, "bpe-plain", plain_lines(1, 400), plain_lines(2, 100), 600, 2, end)
    training_case(output, "bpe-hard", mixed, held_out, 900, 2, end)
    training_case(output, "bpe-runs", run_lines(6, 400), run_lines(7, 60), 700, 0, end)
    # Few pairs are equally frequent here: between those the library decides anew each time.
    invented = invented_lines(14, 1500)
    training_case(output, "wordpiece-invented", invented, invented_lines(15, 100), 900, 2, BERT)
    training_case(output, "wordpiece-foreign", foreign_lines(16, 1500), foreign_lines(11, 100), 500, 0, ["[UNK]"])
    several = mixed + foreign_lines(17, 800)
    training_case(output, "wordpiece-hard", several, held_out, 1200, 2, ["[UNK]", "[CLS]"])
    training_case(output, "unigram-invented", invented, invented_lines(15, 100), 300, 0, SENTENCE_PIECE)
    training_case(output, "unigram-plain", plain_lines(1, 400), plain_lines(2, 100), 150, 0, SENTENCE_PIECE)
    training_case(output, "unigram-foreign", foreign_lines(10, 400), foreign_lines(11, 100), 600, 0, SENTENCE_PIECE)
    training_case(output, "unigram-hard", mixed, held_out, 400, 0, ["</s>"])
    for kind in KINDS:
        lines = hard_lines(8, 300) + plain_lines(9, 50)
        if kind != "bpe":
            lines += foreign_lines(12, 50) + run_lines(13, 20) + ["a" * 400, "\U0001f469\u200d" * 90, "שלום " * 60]
        encoding_case(output, f"{kind}-hard", f"{kind}-hard", lines)


if __name__ == "__main__":
    main()
