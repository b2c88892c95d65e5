"""Golden cases of ERNIE 4.5: goldens/model-ernie4_5-*."""

from transformers import Ernie4_5Config

import causal_lm


def rope(theta: float = 10000.0, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, **settings}


def config(**changes) -> Ernie4_5Config:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        rope_parameters=rope(500000.0),
        architectures=["Ernie4_5ForCausalLM"],
    )
    return Ernie4_5Config(**{**small, **changes})


def main() -> None:
    causal_lm.make_case(
        "ernie4_5-tied",
        config(rms_norm_eps=0.02),
        291,
        {"rope_parameters": rope(100.0), "hidden_act": "gelu", "rms_norm_eps": 1e-6},
        real_pad_tokens=True,
    )
    causal_lm.make_case(
        "ernie4_5-bias",
        config(
            use_bias=True,
            head_dim=12,
            num_attention_heads=3,
            num_key_value_heads=3,
            tie_word_embeddings=False,
            hidden_act="relu",
            rope_parameters=rope(1000.0, "linear", factor=2.0),
            pad_token_id=None,
        ),
        292,
        {"use_bias": False, "rope_parameters": rope(1000.0)},
    )


if __name__ == "__main__":
    main()
