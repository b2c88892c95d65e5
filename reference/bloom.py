"""Golden cases of BLOOM: goldens/model-bloom-*."""

from pathlib import Path

import safetensors.torch
from transformers import BloomConfig

import causal_lm


def config(**changes) -> BloomConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        n_layer=2,
        n_head=4,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        architectures=["BloomForCausalLM"],
    )
    return BloomConfig(**{**small, **changes})


def older_layout(folder: Path) -> None:
    """Names and keys as in the first published checkpoints: no `transformer.` prefix, n_embed for the width."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): t for name, t in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})

    def rewrite(saved: dict) -> dict:
        saved["n_embed"] = saved.pop("hidden_size")
        saved["num_attention_heads"] = saved.pop("n_head")
        saved["torch_dtype"] = saved.pop("dtype")
        return saved

    causal_lm.rewrite_config(folder, rewrite)


def main() -> None:
    causal_lm.make_case(
        "bloom-tied", config(), 301, {"apply_residual_connection_post_layernorm": True}
    )
    causal_lm.make_case(
        "bloom-residual-after-norm",
        # Six heads take slopes from two geometric series.
        config(
            hidden_size=24,
            n_head=6,
            apply_residual_connection_post_layernorm=True,
            layer_norm_epsilon=0.03,
            tie_word_embeddings=False,
        ),
        242,
        {"apply_residual_connection_post_layernorm": False, "layer_norm_epsilon": 1e-5},
    )
    causal_lm.make_case(
        "bloom-older-layout",
        config(hidden_size=24, n_head=3, n_layer=1, pretraining_tp=4),
        253,
        {},
        after_save=older_layout,
    )


if __name__ == "__main__":
    main()
