"""Golden cases of GPT-NeoX: goldens/model-gpt_neox-*."""

from pathlib import Path

import safetensors.torch
import torch
from transformers import GPTNeoXConfig

import causal_lm


def rope(theta: float = 10000.0, share: float = 0.25, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, "partial_rotary_factor": share, **settings}


def config(**changes) -> GPTNeoXConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        attention_dropout=0.0,
        hidden_dropout=0.0,
        bos_token_id=1,
        eos_token_id=2,
        rope_parameters=rope(),
        architectures=["GPTNeoXForCausalLM"],
    )
    return GPTNeoXConfig(**{**small, **changes})


def older_layout(folder: Path) -> None:
    """Buffers and keys as in the published checkpoints of this family."""
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    mask = torch.tril(torch.ones(1, 1, 24, 24))
    for layer in range(2):
        name = f"gpt_neox.layers.{layer}.attention"
        tensors[f"{name}.bias"] = mask.clone()
        tensors[f"{name}.masked_bias"] = torch.tensor(-1e9)
        tensors[f"{name}.rotary_emb.inv_freq"] = torch.ones(2)
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})

    def rewrite(saved: dict) -> dict:
        parameters = saved.pop("rope_parameters")
        saved["rotary_pct"] = parameters["partial_rotary_factor"]
        saved["rotary_emb_base"] = parameters["rope_theta"]
        saved["torch_dtype"] = saved.pop("dtype")
        return saved

    causal_lm.rewrite_config(folder, rewrite)


def main() -> None:
    causal_lm.make_case(
        "gpt_neox-parallel",
        config(),
        221,
        {"use_parallel_residual": False, "hidden_act": "relu", "rope_parameters": rope(share=0.5)},
    )
    causal_lm.make_case(
        "gpt_neox-sequential-tied",
        config(
            use_parallel_residual=False,
            attention_bias=False,
            tie_word_embeddings=True,
            hidden_act="gelu_new",
            layer_norm_eps=0.03,
            num_attention_heads=4,
            rope_parameters=rope(500.0, 1.0),
        ),
        222,
        {"use_parallel_residual": True, "layer_norm_eps": 1e-5, "rope_parameters": rope(10000.0, 1.0)},
    )
    causal_lm.make_case(
        "gpt_neox-older-layout",
        config(rope_parameters=rope(1000.0, 0.5), hidden_act="gelu_fast"),
        223,
        {"rope_parameters": rope(1000.0, 0.25), "hidden_act": "relu"},
        after_save=older_layout,
    )
    causal_lm.make_case(
        "gpt_neox-linear",
        config(hidden_size=24, num_attention_heads=2, rope_parameters=rope(100.0, 0.5, "linear", factor=4.0)),
        224,
        {"rope_parameters": rope(100.0, 0.5)},
    )


if __name__ == "__main__":
    main()
