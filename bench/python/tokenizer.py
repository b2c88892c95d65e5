"""Hugging Face's side of the tokenizers' comparison; prints a line of JSON.

    tokenizer.py train --type bpe|wordpiece|unigram --vocab-size 8000 TEXT
    tokenizer.py encode TOKENIZER_JSON TEXT
    tokenizer.py text --megabytes 100 --seed 7 OUT     (a text to learn from, of an invented language)

Training reads the file in the library itself and counts from the first byte read to the vocabulary; encoding has the
lines in memory and takes the library's batches, the faster of its two forms, without offsets.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ROUNDS = 3
LINES = 4096


def bpe(vocab_size: int) -> tuple:
    """Byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def wordpiece(vocab_size: int) -> tuple:
    """WordPiece with BERT's normaliser."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=special, show_progress=False
    )


def unigram(vocab_size: int) -> tuple:
    """Unigram with NFKC and Metaspace."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=vocab_size,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
        unk_token="<unk>",
        show_progress=False,
    )


def train(kind: str, vocab_size: int, text: Path) -> dict:
    """Seconds of learning from a file, and the size that came out."""
    tokenizer, trainer = {"bpe": bpe, "wordpiece": wordpiece, "unigram": unigram}[kind](vocab_size)
    start = time.perf_counter()
    tokenizer.train([str(text)], trainer)
    return {"seconds": time.perf_counter() - start, "tokens": tokenizer.get_vocab_size()}


def encode(file: Path, text: Path) -> dict:
    """Megabytes of UTF-8 a second by the clock and by processor time, the best rounds, and how many ids."""
    tokenizer = Tokenizer.from_file(str(file))
    lines = text.read_text(encoding="utf-8").split("\n")
    size = text.stat().st_size / 1e6
    best = by_processor = 0.0
    for _ in range(ROUNDS):
        start, busy = time.perf_counter(), time.process_time()
        ids = 0
        for begin in range(0, len(lines), LINES):
            batch = tokenizer.encode_batch_fast(lines[begin : begin + LINES], add_special_tokens=False)
            ids += sum(len(encoding.ids) for encoding in batch)
        best = max(best, size / (time.perf_counter() - start))
        by_processor = max(by_processor, size / (time.process_time() - busy))
    return {"encode_mb_per_sec": best, "encode_mb_per_processor_sec": by_processor, "ids": ids}


def write_text(megabytes: float, seed: int, out: Path) -> dict:
    """Sentences of 300,000 invented words, drawn by Zipf's law."""
    draw = random.Random(seed)
    onsets = ",b,c,d,f,g,h,k,l,m,n,p,r,s,t,v,w,st,tr,pl,br,sh,th,ch".split(",")
    nuclei = "a,e,i,o,u,ea,ou,ai".split(",")
    codas = ",,n,r,s,t,l,m,nd,st,ng".split(",")
    known: set[str] = set()
    while len(known) < 300_000:
        syllables = 1 + min(draw.randrange(4), draw.randrange(4))
        known.add("".join(draw.choice(onsets) + draw.choice(nuclei) + draw.choice(codas) for _ in range(syllables)))
    words = numpy.array(sorted(sorted(known), key=lambda word: (len(word), draw.random())), dtype=object)
    share = 1 / (numpy.arange(len(words)) + 3.0) ** 1.05
    share /= share.sum()
    numbers = numpy.random.default_rng(seed)
    written = 0
    with out.open("w", encoding="utf-8", newline="\n") as file:
        while written < megabytes * 1e6:
            ids = numbers.choice(len(words), size=100_000, p=share)
            at = 0
            lines = []
            while at < len(ids):
                count = draw.randint(4, 24)
                sentence = list(words[ids[at : at + count]])
                at += count
                sentence[0] = sentence[0].capitalize()
                if draw.random() < 0.2:
                    sentence[len(sentence) // 2] += ","
                if draw.random() < 0.1:
                    sentence.append(str(draw.randrange(3000)))
                lines.append(" ".join(sentence) + draw.choice("...?!"))
            part = "\n".join(lines) + "\n"
            file.write(part)
            written += len(part)
    return {"bytes": written}


def main() -> None:
    """One job."""
    parser = argparse.ArgumentParser()
    jobs = parser.add_subparsers(dest="job", required=True)
    job = jobs.add_parser("train")
    job.add_argument("--type", required=True)
    job.add_argument("--vocab-size", type=int, default=8000)
    job.add_argument("text", type=Path)
    job = jobs.add_parser("encode")
    job.add_argument("tokenizer", type=Path)
    job.add_argument("text", type=Path)
    job = jobs.add_parser("text")
    job.add_argument("--megabytes", type=float, default=100)
    job.add_argument("--seed", type=int, default=7)
    job.add_argument("out", type=Path)
    a = parser.parse_args()
    if a.job == "train":
        result = train(a.type, a.vocab_size, a.text)
    elif a.job == "encode":
        result = encode(a.tokenizer, a.text)
    else:
        result = write_text(a.megabytes, a.seed, a.out)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
