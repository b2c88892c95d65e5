"""Golden cases of Falcon: goldens/model-falcon-*."""

from transformers import FalconConfig

import causal_lm


def rope(theta: float = 10000.0, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, **settings}


def config(**changes) -> FalconConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        max_position_embeddings=64,
        ffn_hidden_size=48,
        bos_token_id=1,
        eos_token_id=2,
        rope_parameters=rope(),
        architectures=["FalconForCausalLM"],
    )
    return FalconConfig(**{**small, **changes})


def main() -> None:
    causal_lm.make_case("falcon-multi-query", config(), 251, {"alibi": True, "activation": "relu"})
    causal_lm.make_case(
        "falcon-grouped",
        config(new_decoder_architecture=True, num_kv_heads=2, rope_parameters=rope(500.0)),
        252,
        {"rope_parameters": rope(), "activation": "relu"},
    )
    causal_lm.make_case(
        "falcon-grouped-one-norm",
        config(
            new_decoder_architecture=True,
            num_kv_heads=2,
            num_ln_in_parallel_attn=1,
            bias=True,
            layer_norm_epsilon=0.03,
            tie_word_embeddings=False,
        ),
        253,
        {"layer_norm_epsilon": 1e-5},
    )
    causal_lm.make_case(
        "falcon-alibi-sequential",
        config(alibi=True, parallel_attn=False, multi_query=False, bias=True, num_attention_heads=4),
        264,
        {"alibi": False},
    )
    causal_lm.make_case(
        "falcon-alibi-grouped",
        # Six heads take slopes from two geometric series.
        config(
            alibi=True, new_decoder_architecture=True, num_kv_heads=3, hidden_size=24, num_attention_heads=6, activation="relu"
        ),
        255,
        {"alibi": False, "activation": "gelu"},
    )
    causal_lm.make_case(
        "falcon-sequential-multi-query",
        config(parallel_attn=False, hidden_size=24, num_attention_heads=3, rope_parameters=rope(100.0, "linear", factor=2.0)),
        256,
        {"rope_parameters": rope(100.0)},
    )


if __name__ == "__main__":
    main()
