"""Prepares a generated corpus with datatrove and with Quern, in turns: reading, Gopher's rules, masking, writing.

    bench/python/corpus.py --documents 20000 --pairs 5 --out FOLDER [--format jsonl|warc] [--quern './quern data prepare']

Both read the same gzip files, one process or thread a core, run the same rules with the papers' thresholds, and write compressed
JSON lines. The time is that of the whole command, the start of its interpreter or JVM included.
"""
import argparse
import gzip
import itertools
import json
import os
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import time

STOP = "the be to of and that have with a in is was for it on as".split()


def texts(count, seed):
    """Pages of about 2 KB whose words follow Zipf's law; every word is made up."""
    rng = random.Random(seed)
    syllables = [c + v for c in "bcdfghklmnprstvz" for v in "aeiou"]
    words = STOP + ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(30_000)]
    weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(words))))
    for number in range(count):
        paragraphs = []
        for _ in range(rng.randint(2, 8)):
            sentences = [
                " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(6, 18))).capitalize() + "."
                for _ in range(rng.randint(2, 6))]
            paragraphs.append(" ".join(sentences))
        if number % 10 == 3:
            paragraphs.append(f"Write to reader{number}@pages.example.")
        if number % 25 == 7:
            paragraphs = [paragraphs[0]] * 12
        yield "\n\n".join(paragraphs)


def write_corpus(folder, documents, files, form):
    folder.mkdir(parents=True)
    for part in range(files):
        name = folder / (f"part-{part:03}.jsonl.gz" if form == "jsonl" else f"part-{part:03}.warc.gz")
        with open(name, "wb") as out:
            if form == "jsonl":
                rows = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts(documents // files, part))
                out.write(gzip.compress("".join(rows).encode(), 6))
                continue
            for number, text in enumerate(texts(documents // files, part)):
                body = "<html><head><title>Page</title></head><body><nav><a href=/>Home</a> <a href=/b>Pages</a></nav>"
                body += "".join(f"<p>{p}</p>\n" for p in text.split("\n\n")) + "<footer>End of page</footer></body></html>"
                http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                record = (
                    f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://pages.example/{part}/{number}\r\n"
                    f"WARC-Date: 2024-05-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{part:04}{number:08}>\r\n"
                    f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n{http}\r\n\r\n")
                out.write(gzip.compress(record.encode(), 6))


def datatrove(folder, output, form, cores):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import JsonlWriter

    read = [JsonlReader(str(folder))] if form == "jsonl" else [WarcReader(str(folder)), Trafilatura()]
    LocalPipelineExecutor(
        read + [GopherRepetitionFilter(), GopherQualityFilter(), PIIFormatter(), JsonlWriter(str(output / "documents"))],
        tasks=cores, workers=cores, logging_dir=str(output / "logs")).run()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--format", choices=("jsonl", "warc"), default="jsonl")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--quern", default="./quern data prepare")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    corpus = arguments.out / "corpus"
    if arguments.peer:
        datatrove(corpus, pathlib.Path(arguments.peer), arguments.format, arguments.cores)
        return
    if not corpus.exists():
        write_corpus(corpus, arguments.documents, 4 * arguments.cores, arguments.format)
    recipe = arguments.out / "recipe.yaml"
    results = []
    for pair in range(arguments.pairs):
        row = {"pair": pair, "documents": arguments.documents}
        for side in ("quern", "datatrove") if pair % 2 == 0 else ("datatrove", "quern"):
            output = (arguments.out / side).resolve()
            shutil.rmtree(output, ignore_errors=True)
            recipe.write_text(json.dumps({"prepare": {
                "sources": [{"path": str(corpus.resolve())}],
                "stages": [{"type": "repetition"}, {"type": "gopher_quality"}, {"type": "pii", "kinds": ["email", "ip"]}],
                "threads": arguments.cores, "output_dir": str(output)}}))
            command = (
                shlex.split(arguments.quern) + [str(recipe)] if side == "quern" else
                [sys.executable, __file__, "--out", str(arguments.out), "--format", arguments.format,
                 "--cores", str(arguments.cores), "--peer", str(output)])
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            row[side + "_seconds"] = round(time.perf_counter() - began, 2)
            kept = 0
            for file in (output / "documents").iterdir():
                opener = ["zstd", "-dc"] if file.suffix == ".zst" else ["gzip", "-dc"]
                kept += subprocess.run(opener + [str(file)], check=True, capture_output=True).stdout.count(b"\n")
            row[side + "_kept"] = kept
        row["ratio"] = round(row["datatrove_seconds"] / row["quern_seconds"], 2)
        results.append(row)
        print(json.dumps(row), flush=True)
    (arguments.out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in results))


if __name__ == "__main__":
    main()
