"""Golden cases of Phi: goldens/model-phi-*."""

from pathlib import Path

from transformers import PhiConfig

import causal_lm


def rope(theta: float = 10000.0, share: float = 0.5, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, "partial_rotary_factor": share, **settings}


def config(**changes) -> PhiConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attention_dropout=0.0,
        max_position_embeddings=64,
        rope_parameters=rope(),
        architectures=["PhiForCausalLM"],
    )
    return PhiConfig(**{**small, **changes})


def older_spelling(folder: Path) -> None:
    """config.json as folders saved before transformers 5 have it."""

    def rewrite(saved: dict) -> dict:
        parameters = saved.pop("rope_parameters")
        saved["rope_theta"] = parameters["rope_theta"]
        saved["partial_rotary_factor"] = parameters["partial_rotary_factor"]
        saved["rope_scaling"] = None
        saved["torch_dtype"] = saved.pop("dtype")
        return saved

    causal_lm.rewrite_config(folder, rewrite)


def main() -> None:
    causal_lm.make_case(
        "phi-partial",
        config(),
        261,
        {"rope_parameters": rope(share=0.25), "hidden_act": "relu", "tie_word_embeddings": True},
    )
    causal_lm.make_case(
        "phi-qk-norm",
        config(
            qk_layernorm=True,
            num_attention_heads=4,
            num_key_value_heads=2,
            layer_norm_eps=0.03,
            hidden_act="gelu",
            tie_word_embeddings=True,
            pad_token_id=0,
            rope_parameters=rope(500.0, 0.75),
            hidden_size=32,
        ),
        262,
        {"qk_layernorm": False, "layer_norm_eps": 1e-5, "rope_parameters": rope(500.0, 0.5)},
        real_pad_tokens=True,
    )
    causal_lm.make_case(
        "phi-older-spelling",
        config(hidden_size=40, rope_parameters=rope(1000.0, 0.4)),
        263,
        {"rope_parameters": rope(1000.0, 0.5)},
        after_save=older_spelling,
    )


if __name__ == "__main__":
    main()
