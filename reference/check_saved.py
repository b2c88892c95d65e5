"""Loads model folders that Quern saved with transformers and compares the logits.

    check_saved.py FOLDER…

A folder holds config.json, weights, tokenizer files and roundtrip.safetensors with `input_ids` [B,T] int64 and the
`logits` [B,T,V] that Quern computes for them in fp32, optionally with `attention_mask` [B,T] int64 (right padding; masked
positions are not compared). Prints a line of JSON a folder. Exits with 1 when a folder does not load or a logit is off
by more than 1e-4.
"""

import argparse
import json
import sys
from pathlib import Path

import safetensors.torch
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

TOLERANCE = 1e-4
NEW_TOKENS = 40


def check(folder: Path, prompt: str) -> dict:
    saved = safetensors.torch.load_file(folder / "roundtrip.safetensors")
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, local_files_only=True
    )
    model.eval()
    mask = saved.get("attention_mask", torch.ones_like(saved["input_ids"]))
    with torch.no_grad():
        logits = model(input_ids=saved["input_ids"], attention_mask=mask).logits
    if logits.shape != saved["logits"].shape:
        raise ValueError(f"logits of shape {list(saved['logits'].shape)} beside a model of {list(logits.shape)}")
    error = (logits - saved["logits"].float())[mask.bool()].abs().max().item()
    unmatched = {kind: sorted(map(str, loading[kind])) for kind in ("missing_keys", "unexpected_keys") if loading[kind]}

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    encoded = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    model.generation_config = GenerationConfig(do_sample=False)
    settings = GenerationConfig(do_sample=False, max_new_tokens=NEW_TOKENS)
    text = model.generate(encoded.input_ids, attention_mask=encoded.attention_mask, generation_config=settings)
    return {
        "folder": folder.name,
        "architecture": type(model).__name__,
        "tokenizer": type(tokenizer).__name__,
        "transformers": transformers.__version__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "compared_logits": int(mask.sum()) * logits.shape[-1],
        "max_difference": error,
        "tolerance": TOLERANCE,
        **unmatched,
        "greedy_text": tokenizer.decode(text[0]),
        # A comparison that is true only of finite numbers: NaN fails.
        "ok": error <= TOLERANCE and not unmatched,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--prompt", default="Once", help="text that greedy decoding continues")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    failed = False
    for folder in arguments.folders:
        try:
            result = check(folder, arguments.prompt)
        except Exception as error:  # any folder that transformers cannot use is a failure of that folder
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            result = {"folder": folder.name, "ok": False, "error": message}
        failed |= not result["ok"]
        print(json.dumps(result, ensure_ascii=False), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
