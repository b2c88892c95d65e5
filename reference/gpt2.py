"""Golden cases of GPT-2: goldens/model-gpt2-*."""

from pathlib import Path

import safetensors.torch
import torch
from transformers import GPT2Config

import causal_lm


def config(**changes) -> GPT2Config:
    small = dict(
        vocab_size=96,
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=1,
        eos_token_id=2,
        architectures=["GPT2LMHeadModel"],
    )
    return GPT2Config(**{**small, **changes})


def older_layout(folder: Path) -> None:
    """The key layout of the first published checkpoints: no `transformer.` prefix, and the causal mask as a buffer."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): t for name, t in safetensors.torch.load_file(path).items()}
    mask = torch.tril(torch.ones(1, 1, 24, 24))
    layers = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("h."))
    tensors.update({f"h.{layer}.attn.bias": mask.clone() for layer in range(layers)})
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def main() -> None:
    causal_lm.make_case("gpt2-tied", config(), 11, {"activation_function": "relu", "layer_norm_epsilon": 0.05})
    causal_lm.make_case(
        "gpt2-untied",
        config(tie_word_embeddings=False, activation_function="relu", n_inner=40, layer_norm_epsilon=0.03),
        12,
        {"activation_function": "gelu_new", "tie_word_embeddings": True, "layer_norm_epsilon": 1e-5},
    )
    causal_lm.make_case(
        "gpt2-inverse-layer",
        config(n_layer=3, n_embd=24, n_head=3, scale_attn_by_inverse_layer_idx=True),
        13,
        {"scale_attn_by_inverse_layer_idx": False},
    )
    causal_lm.make_case(
        "gpt2-unscaled",
        config(scale_attn_weights=False, activation_function="gelu", n_inner=72, n_positions=48),
        14,
        {"scale_attn_weights": True, "activation_function": "relu"},
    )
    causal_lm.make_case(
        "gpt2-older-layout",
        config(n_embd=16, n_head=2, n_positions=32),
        15,
        {},
        after_save=older_layout,
    )


if __name__ == "__main__":
    main()
