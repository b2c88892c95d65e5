"""MinHash deduplication by datatrove, the peer of `bench/dedup scaling`: its four steps on one file of JSON lines.

Same shingles (5 words, lower case, no punctuation) and the same bands as Quern's default at 0.8. datatrove joins documents
that share a band without comparing them. `--words whitespace` splits at blanks instead of with datatrove's tokenizer for
English, which is where most of its time goes.
"""

import argparse
import glob
import gzip
import json
import os
import resource
import shutil
import time

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


class Whitespace:
    def word_tokenize(self, text):
        return text.split()


def run(steps, tasks=1):
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1).run()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="JSON lines with id and text")
    parser.add_argument("--work", required=True, help="folder for what the steps write")
    parser.add_argument("--bands", type=int, default=18)
    parser.add_argument("--rows", type=int, default=7)
    parser.add_argument("--words", choices=["english", "whitespace"], default="english")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    os.makedirs(arguments.work)
    folder, name = os.path.split(os.path.abspath(arguments.file))

    def work(part):
        return os.path.join(arguments.work, part)

    def reader():
        return JsonlReader(folder, glob_pattern=name)

    config = MinhashConfig(n_grams=5, num_buckets=arguments.bands, hashes_per_bucket=arguments.rows)
    signature = MinhashDedupSignature(output_folder=work("signatures"), config=config, language="eng")
    if arguments.words == "whitespace":
        signature.word_tokenizer = Whitespace()
    start, busy = time.perf_counter(), time.process_time()
    run([reader(), signature])
    signed = time.perf_counter()
    run(
        [MinhashDedupBuckets(input_folder=work("signatures"), output_folder=work("buckets"), config=config)],
        tasks=arguments.bands,
    )
    run([MinhashDedupCluster(input_folder=work("buckets"), output_folder=work("clusters"), config=config)])
    run([
        reader(),
        MinhashDedupFilter(input_folder=work("clusters")),
        JsonlWriter(work("kept")),
    ])
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    with open(arguments.file) as file:
        documents = sum(1 for _ in file)
    kept = 0
    for file in glob.glob(work("kept/*")):
        with gzip.open(file) as lines:
            kept += sum(1 for _ in lines)
    print(json.dumps({
        "documents": documents,
        "words": arguments.words,
        "seconds": round(seconds, 2),
        "signature_seconds": round(signed - start, 2),
        "processor_seconds": round(busy, 2),
        "documents_a_second": round(documents / seconds),
        "documents_a_processor_second": round(documents / busy),
        "dropped": documents - kept,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))


if __name__ == "__main__":
    main()
