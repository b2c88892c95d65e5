"""Cases of family custom: what transformers computed for a Llama and a Qwen 3, whose parameters a composed model of the same
parts calls alike. Copies the cases of those families and writes the composed model's config.json.
"""

import json
import shutil
from pathlib import Path

GOLDENS = Path(__file__).resolve().parent.parent / "goldens"

CASES = {"llama-gqa-tied": "custom-llama", "qwen3-gqa": "custom-qwen3"}

KEPT = [
    "attention_bias",
    "attention_dropout",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "head_dim",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "tie_word_embeddings",
    "use_cache",
    "vocab_size",
]


def composed(config):
    assert config["hidden_act"] == "silu" and config["rope_parameters"]["rope_type"] == "default"
    assert all(kind == "full_attention" for kind in config.get("layer_types", []))
    settings = {key: config[key] for key in KEPT}
    return settings | {
        "architectures": ["QuernForCausalLM"],
        "attention": {"type": "gqa"},
        "feed_forward": {"type": "swiglu"},
        "mlp_bias": config.get("mlp_bias", False),
        "model_type": "quern",
        "norm": {"type": "rms_norm", "eps": config["rms_norm_eps"]},
        "position": {"type": "rotary", "rope_theta": config["rope_parameters"]["rope_theta"]},
        "qk_norm": config["model_type"] == "qwen3",
    }


def main():
    for source, target in CASES.items():
        folder = GOLDENS / f"model-{target}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(GOLDENS / f"model-{source}", folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(composed(config), indent=2, sort_keys=True) + "\n")
        case = json.loads((folder / "case.json").read_text())
        case["name"] = target
        case["architecture"] = f"{case['architecture']}, composed"
        (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")
        print(target, sum(f.stat().st_size for f in folder.iterdir()), "bytes")


if __name__ == "__main__":
    main()
