"""Golden cases of GLM: goldens/model-glm-*."""

from transformers import GlmConfig

import causal_lm


def rope(theta: float = 10000.0, share: float = 0.5, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, "partial_rotary_factor": share, **settings}


def config(**changes) -> GlmConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        attention_dropout=0.0,
        pad_token_id=0,
        eos_token_id=2,
        rope_parameters=rope(),
        architectures=["GlmForCausalLM"],
    )
    return GlmConfig(**{**small, **changes})


def main() -> None:
    causal_lm.make_case(
        "glm-grouped",
        config(rms_norm_eps=0.02),
        281,
        {"rope_parameters": rope(share=1.0), "attention_bias": False, "hidden_act": "gelu", "rms_norm_eps": 1e-6},
        real_pad_tokens=True,
    )
    causal_lm.make_case(
        "glm-tied",
        config(
            num_key_value_heads=1,
            num_attention_heads=3,
            head_dim=12,
            attention_bias=False,
            tie_word_embeddings=True,
            hidden_act="gelu",
            pad_token_id=None,
            rope_parameters=rope(500.0, 1.0),
        ),
        282,
        {"rope_parameters": rope(10000.0, 1.0), "hidden_act": "silu"},
    )


if __name__ == "__main__":
    main()
