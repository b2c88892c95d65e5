"""Times Hugging Face's `generate` on a model with random weights and prints one line of JSON.

The weights lie in the precision that is timed, as a downloaded model's would. Every text runs to its full length: there is
no end-of-text token. Prompts are the stream of tokens of step_time.py, so that any language can make them. A round is one
call, from the prompts to the last token; the rate counts new tokens of all rows. With --paced it makes a round for each
line on standard input and answers each with a line of JSON, for measuring in turns with another program.
"""

import argparse
import json
import statistics
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import measure
from step_time import token_stream

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def llama60m(positions: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32000,
            hidden_size=512,
            intermediate_size=1408,
            num_hidden_layers=8,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=positions,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


def gpt2(layers: int, heads: int, width: int, vocabulary: int, positions: int) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
            n_positions=positions,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


MODELS = {
    "char": lambda positions: gpt2(4, 4, 128, 65, positions),
    "30m": lambda positions: gpt2(6, 6, 384, 50304, positions),
    "124m": lambda positions: gpt2(12, 12, 768, 50304, positions),
    "llama60m": llama60m,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="llama60m")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=32, help="tokens of each prompt")
    parser.add_argument("--new", type=int, default=64, help="tokens made for each prompt")
    parser.add_argument("--rounds", type=int, default=10, help="timed calls")
    parser.add_argument("--warmup", type=int, default=3, help="calls before timing")
    parser.add_argument("--precision", choices=DTYPES, default="bf16")
    parser.add_argument("--sample", action="store_true", help="draw tokens: temperature 0.8, top-k 50, top-p 0.95")
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--paced", action="store_true")
    arguments = parser.parse_args()
    if min(arguments.batch, arguments.prompt, arguments.new, arguments.rounds) < 1 or arguments.warmup < 0:
        parser.error("--batch, --prompt, --new and --rounds must be at least 1, --warmup at least 0")
    return arguments


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    model = MODELS[arguments.model](max(arguments.prompt + arguments.new, 512))
    model = model.to(DTYPES[arguments.precision]).eval()
    prompts = token_stream(arguments.batch * arguments.prompt, model.config.vocab_size, arguments.seed).view(
        arguments.batch, arguments.prompt
    )
    settings = dict(max_new_tokens=arguments.new, do_sample=arguments.sample, use_cache=True)
    if arguments.sample:
        settings.update(temperature=0.8, top_k=50, top_p=0.95)

    def call() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            ids = model.generate(prompts, attention_mask=torch.ones_like(prompts), **settings)
        seconds = time.perf_counter() - started
        assert ids.shape == (arguments.batch, arguments.prompt + arguments.new), ids.shape
        return arguments.batch * arguments.new / seconds

    for _ in range(arguments.warmup):
        call()
    subject = {
        "engine": "transformers on pytorch " + torch.__version__,
        "model": arguments.model,
        "parameters": sum(p.numel() for p in model.parameters()),
        "batch": arguments.batch,
        "prompt_tokens": arguments.prompt,
        "new_tokens": arguments.new,
        "precision": arguments.precision,
        "sampled": arguments.sample,
        "threads": arguments.threads,
    }
    if arguments.paced:
        print(json.dumps(subject), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"tokens_per_sec": round(call(), 2)}), flush=True)
        return
    rates = [call() for _ in range(arguments.rounds)]
    print(
        json.dumps(
            {
                **subject,
                "tokens_per_sec": round(statistics.median(rates), 2),
                "tokens_per_sec_min": round(min(rates), 2),
                "tokens_per_sec_max": round(max(rates), 2),
                "peak_rss_mb": round(measure.peak_rss_mb(), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
