"""Golden cases of the families built like Llama: goldens/model-{mistral,qwen2,qwen3,phi3,olmo,olmo2,gemma,gemma2,granite,mixtral}-*."""

import sys
from pathlib import Path

from transformers import (
    Gemma2Config,
    GemmaConfig,
    GraniteConfig,
    MistralConfig,
    MixtralConfig,
    Olmo2Config,
    OlmoConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

import causal_lm

make = causal_lm.make_case


def rope(theta: float = 10000.0, rope_type: str = "default", **settings) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, **settings}


def config(kind: type[PreTrainedConfig], **changes) -> PreTrainedConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rms_norm_eps=1e-6,
        attention_dropout=0.0,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
        rope_parameters=rope(),
        tie_word_embeddings=False,
        architectures=[kind.__name__.replace("Config", "ForCausalLM")],
    )
    return kind(**{**small, **changes})


def without(*keys: str):
    """Leaves keys out of the saved config.json, so that the family's own defaults count."""

    def after_save(folder: Path) -> None:
        causal_lm.rewrite_config(folder, lambda saved: {k: v for k, v in saved.items() if k not in keys})

    return after_save


def mistral() -> None:
    make("mistral-window", config(MistralConfig, sliding_window=6), 101, {"sliding_window": None})
    make(
        "mistral-full",
        config(
            MistralConfig,
            sliding_window=None,
            head_dim=12,
            num_key_value_heads=1,
            hidden_act="gelu",
            tie_word_embeddings=True,
            rope_parameters=rope(1000.0, "linear", factor=2.0),
        ),
        102,
        {"sliding_window": 4, "hidden_act": "silu", "rope_parameters": rope()},
    )
    make(
        "mistral-defaults",
        config(MistralConfig, num_attention_heads=8, num_key_value_heads=8, sliding_window=4096, pad_token_id=0),
        103,
        {"rms_norm_eps": 0.05},
        after_save=without("num_key_value_heads", "sliding_window", "head_dim", "hidden_act"),
        real_pad_tokens=True,
    )


def qwen2() -> None:
    make(
        "qwen2-window-layers",
        config(Qwen2Config, use_sliding_window=True, sliding_window=5, max_window_layers=1, rope_parameters=rope(1e6)),
        111,
        {"layer_types": ["full_attention"] * 2, "rope_parameters": rope()},
    )
    make(
        "qwen2-layer-types",
        config(
            Qwen2Config,
            use_sliding_window=True,
            sliding_window=4,
            num_hidden_layers=3,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            tie_word_embeddings=True,
            num_key_value_heads=4,
        ),
        112,
        {"layer_types": ["full_attention"] * 3},
    )
    make(
        "qwen2-no-window",
        config(
            Qwen2Config,
            use_sliding_window=False,
            sliding_window=4,
            max_window_layers=0,
            num_key_value_heads=1,
            max_position_embeddings=256,
            head_dim=16,
            rope_parameters=rope(10000.0, "yarn", factor=4.0, original_max_position_embeddings=64),
        ),
        113,
        {"hidden_act": "relu", "rope_parameters": rope()},
    )


def qwen3() -> None:
    make(
        "qwen3-gqa",
        config(Qwen3Config, head_dim=12, rms_norm_eps=1e-3),
        121,
        {"rms_norm_eps": 0.3},
    )
    make(
        "qwen3-bias-window",
        config(
            Qwen3Config,
            head_dim=8,
            attention_bias=True,
            use_sliding_window=True,
            sliding_window=7,
            max_window_layers=1,
            tie_word_embeddings=True,
            num_key_value_heads=4,
            hidden_act="gelu_pytorch_tanh",
        ),
        122,
        {"attention_bias": False, "layer_types": ["full_attention"] * 2, "hidden_act": "relu"},
    )


def phi3() -> None:
    make("phi3-window", config(Phi3Config, sliding_window=6), 131, {"sliding_window": None})
    make(
        "phi3-partial",
        config(
            Phi3Config,
            num_attention_heads=2,
            num_key_value_heads=1,
            rope_parameters=rope(500.0, partial_rotary_factor=0.5),
            hidden_act="gelu",
            tie_word_embeddings=True,
            pad_token_id=3,
        ),
        132,
        {"rope_parameters": rope(500.0, partial_rotary_factor=1.0), "hidden_act": "silu"},
    )
    # The prompts start below the original context and grow past it.
    longrope = rope(
        10000.0,
        "longrope",
        short_factor=[1.0, 1.1, 1.5, 2.0],
        long_factor=[1.5, 3.0, 6.0, 12.0],
        original_max_position_embeddings=16,
    )
    make(
        "phi3-longrope",
        config(Phi3Config, original_max_position_embeddings=16, rope_parameters=dict(longrope)),
        133,
        {"rope_parameters": dict(longrope, short_factor=[1.0] * 4, long_factor=[1.0] * 4)},
    )
    make(
        "phi3-longrope-short",
        config(
            Phi3Config,
            num_attention_heads=2,
            num_key_value_heads=2,
            original_max_position_embeddings=48,
            rope_parameters=dict(
                longrope,
                original_max_position_embeddings=48,
                partial_rotary_factor=0.5,
                attention_factor=1.3,
            ),
        ),
        134,
        {"rope_parameters": dict(longrope, partial_rotary_factor=0.5, original_max_position_embeddings=48)},
    )


def olmo() -> None:
    make("olmo-clip", config(OlmoConfig, clip_qkv=0.8, num_key_value_heads=4), 141, {"clip_qkv": None})
    make(
        "olmo-bias",
        config(OlmoConfig, clip_qkv=None, attention_bias=True, tie_word_embeddings=True, num_key_value_heads=1),
        142,
        {"attention_bias": False, "clip_qkv": 0.5},
    )


def olmo2() -> None:
    make("olmo2-gqa", config(Olmo2Config, rms_norm_eps=1e-3), 151, {"rms_norm_eps": 0.3})
    make(
        "olmo2-bias",
        config(
            Olmo2Config,
            attention_bias=True,
            tie_word_embeddings=True,
            num_key_value_heads=4,
            hidden_act="gelu",
            rope_parameters=rope(500000.0),
        ),
        152,
        {"attention_bias": False, "hidden_act": "silu", "rope_parameters": rope()},
    )


def gemma() -> None:
    make(
        "gemma-gqa",
        config(GemmaConfig, head_dim=12, tie_word_embeddings=True, hidden_act="gelu_pytorch_tanh", pad_token_id=0),
        161,
        {"rms_norm_eps": 0.3, "hidden_act": "relu"},
    )
    make(
        "gemma-bias",
        config(
            GemmaConfig,
            head_dim=16,
            attention_bias=True,
            num_key_value_heads=1,
            hidden_act="silu",
            rope_parameters=rope(100.0),
        ),
        162,
        {"attention_bias": False, "rope_parameters": rope(), "hidden_act": "gelu_pytorch_tanh"},
    )


def gemma2() -> None:
    make(
        "gemma2-caps",
        config(
            Gemma2Config,
            head_dim=12,
            query_pre_attn_scalar=20,
            sliding_window=5,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=30.0,
            num_hidden_layers=4,
            intermediate_size=32,
            tie_word_embeddings=True,
        ),
        174,
        {
            "query_pre_attn_scalar": 12,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "sliding_window": 50,
        },
    )
    make(
        "gemma2-no-caps",
        config(
            Gemma2Config,
            head_dim=8,
            num_key_value_heads=4,
            num_hidden_layers=3,
            sliding_window=4,
            query_pre_attn_scalar=8,
            layer_types=["full_attention", "sliding_attention", "full_attention"],
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            attention_bias=True,
            hidden_activation="silu",
            pad_token_id=0,
        ),
        172,
        {"attention_bias": False, "layer_types": ["full_attention"] * 3, "attn_logit_softcapping": 2.0},
    )


def granite() -> None:
    make(
        "granite-multipliers",
        config(
            GraniteConfig,
            embedding_multiplier=3.0,
            logits_scaling=1.7,
            residual_multiplier=0.4,
            attention_multiplier=0.2,
        ),
        181,
        {
            "embedding_multiplier": 1.0,
            "logits_scaling": 1.0,
            "residual_multiplier": 1.0,
            "attention_multiplier": 0.35,
        },
    )
    make(
        "granite-bias-tied",
        config(
            GraniteConfig,
            attention_bias=True,
            mlp_bias=True,
            tie_word_embeddings=True,
            num_key_value_heads=1,
            attention_multiplier=0.3,
            residual_multiplier=1.5,
        ),
        182,
        {"attention_bias": False, "mlp_bias": False, "residual_multiplier": 1.0},
    )


def mixtral() -> None:
    make(
        "mixtral-aux-loss",
        config(
            MixtralConfig,
            num_local_experts=4,
            num_experts_per_tok=2,
            output_router_logits=True,
            router_aux_loss_coef=0.3,
            intermediate_size=24,
        ),
        191,
        {"num_experts_per_tok": 1},
    )
    make(
        "mixtral-window",
        config(
            MixtralConfig,
            num_local_experts=3,
            # Not 1: its only weight is 1 whatever the router says, so the router's gradients are roundings that AdamW
            # makes whole steps of.
            num_experts_per_tok=2,
            sliding_window=5,
            intermediate_size=24,
            head_dim=12,
            tie_word_embeddings=True,
            hidden_act="gelu",
            rope_parameters=rope(1e6),
        ),
        192,
        {"sliding_window": None, "num_experts_per_tok": 3, "hidden_act": "silu"},
    )


FAMILIES = [mistral, qwen2, qwen3, phi3, olmo, olmo2, gemma, gemma2, granite, mixtral]


def main() -> None:
    """Makes the cases of all families, or of those named on the command line."""
    for family in FAMILIES:
        if not sys.argv[1:] or family.__name__ in sys.argv[1:]:
            family()


if __name__ == "__main__":
    main()
