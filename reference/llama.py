"""Golden cases of Llama: goldens/model-llama-*."""

from pathlib import Path

from transformers import LlamaConfig

import causal_lm


def rope(theta: float = 10000.0, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, **settings}


def config(**changes) -> LlamaConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=56,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        rms_norm_eps=1e-6,
        attention_dropout=0.0,
        bos_token_id=1,
        eos_token_id=2,
        rope_parameters=rope(),
        tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"],
    )
    return LlamaConfig(**{**small, **changes})


def older_spelling(folder: Path) -> None:
    """config.json as folders saved before transformers 5 have it: rope_theta and rope_scaling at the top level."""

    def rewrite(saved: dict) -> dict:
        parameters = saved.pop("rope_parameters")
        saved["rope_theta"] = parameters.pop("rope_theta")
        saved["rope_scaling"] = parameters
        saved["torch_dtype"] = saved.pop("dtype")
        return saved

    causal_lm.rewrite_config(folder, rewrite)


def main() -> None:
    causal_lm.make_case("llama-mha", config(), 21, {"rope_parameters": rope(100.0), "rms_norm_eps": 0.05})
    causal_lm.make_case(
        "llama-gqa-tied",
        config(num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=0.02),
        22,
        {"rms_norm_eps": 1e-6},
    )
    causal_lm.make_case(
        "llama-bias",
        config(
            num_key_value_heads=1,
            head_dim=12,
            attention_bias=True,
            mlp_bias=True,
            num_hidden_layers=2,
            rope_parameters=rope(500.0),
        ),
        23,
        {"rope_parameters": rope(), "attention_bias": False, "mlp_bias": False},
    )
    causal_lm.make_case(
        "llama-gelu",
        config(hidden_act="gelu", num_hidden_layers=3, hidden_size=24, num_attention_heads=3, num_key_value_heads=3),
        24,
        {"hidden_act": "silu"},
    )
    causal_lm.make_case(
        "llama-rope-linear",
        config(rope_parameters=rope(1000.0, "linear", factor=4.0), num_key_value_heads=2),
        25,
        {"rope_parameters": rope(1000.0)},
        after_save=older_spelling,
    )
    causal_lm.make_case(
        "llama-rope-llama3",
        # Frequencies of head_dim 16 fall on all three sides: kept, blended and divided by the factor.
        config(
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=256,
            rope_parameters=rope(
                10000.0,
                "llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        ),
        26,
        {"rope_parameters": rope()},
    )
    causal_lm.make_case(
        "llama-rope-yarn",
        config(
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=256,
            rope_parameters=rope(10000.0, "yarn", factor=4.0, original_max_position_embeddings=64),
        ),
        29,
        {"rope_parameters": rope()},
    )
    causal_lm.make_case(
        "llama-padding-row",
        config(pad_token_id=0, num_hidden_layers=1, num_key_value_heads=2),
        27,
        {},
        real_pad_tokens=True,
    )
    causal_lm.make_case(
        "llama-sharded",
        config(num_hidden_layers=1, hidden_size=24, num_attention_heads=3, num_key_value_heads=1),
        28,
        {},
        max_shard_size="12KB",
    )


if __name__ == "__main__":
    main()
