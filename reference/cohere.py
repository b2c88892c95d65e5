"""Golden cases of Cohere: goldens/model-cohere-*."""

from pathlib import Path

from transformers import CohereConfig

import causal_lm


def rope(theta: float = 10000.0, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, **settings}


def config(**changes) -> CohereConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        attention_dropout=0.0,
        bos_token_id=5,
        eos_token_id=2,
        rope_parameters=rope(),
        architectures=["CohereForCausalLM"],
    )
    return CohereConfig(**{**small, **changes})


def without_theta(folder: Path) -> None:
    """A config.json that leaves the rotary base to the family's default."""

    def rewrite(saved: dict) -> dict:
        del saved["rope_parameters"]
        return saved

    causal_lm.rewrite_config(folder, rewrite)


def main() -> None:
    causal_lm.make_case(
        "cohere-tied",
        config(num_key_value_heads=2, logit_scale=0.25),
        271,
        {"logit_scale": 0.0625, "hidden_act": "gelu", "rope_parameters": rope(500.0)},
        real_pad_tokens=True,
    )
    causal_lm.make_case(
        "cohere-qk-norm",
        config(
            use_qk_norm=True,
            num_key_value_heads=2,
            attention_bias=True,
            layer_norm_eps=0.03,
            logit_scale=1.5,
            tie_word_embeddings=False,
            pad_token_id=None,
            hidden_act="gelu_new",
        ),
        272,
        {"use_qk_norm": False, "attention_bias": False, "layer_norm_eps": 1e-5, "logit_scale": 1.0},
    )
    causal_lm.make_case(
        "cohere-default-theta",
        config(rope_parameters=rope(500000.0), num_attention_heads=2, hidden_size=24, logit_scale=0.5),
        273,
        {"rope_parameters": rope(10000.0)},
        after_save=without_theta,
    )


if __name__ == "__main__":
    main()
