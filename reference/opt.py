"""Golden cases of OPT: goldens/model-opt-*."""

from transformers import OPTConfig

import causal_lm


def config(**changes) -> OPTConfig:
    small = dict(
        vocab_size=96,
        hidden_size=32,
        num_hidden_layers=2,
        ffn_dim=48,
        max_position_embeddings=64,
        num_attention_heads=4,
        dropout=0.0,
        attention_dropout=0.0,
        bos_token_id=2,
        eos_token_id=2,
        architectures=["OPTForCausalLM"],
    )
    return OPTConfig(**{**small, **changes})


def main() -> None:
    causal_lm.make_case("opt-pre-norm", config(), 231, {"activation_function": "gelu"})
    causal_lm.make_case(
        "opt-post-norm-projected",
        config(do_layer_norm_before=False, word_embed_proj_dim=20),
        232,
        {"do_layer_norm_before": True, "activation_function": "gelu_new"},
    )
    causal_lm.make_case(
        "opt-plain-norms",
        config(
            enable_bias=False,
            layer_norm_elementwise_affine=False,
            tie_word_embeddings=False,
            word_embed_proj_dim=48,
            activation_function="silu",
            pad_token_id=0,
        ),
        233,
        {"activation_function": "relu"},
        real_pad_tokens=True,
    )
    causal_lm.make_case(
        "opt-no-final-norm",
        config(_remove_final_layer_norm=True, num_attention_heads=2, hidden_size=24, num_hidden_layers=3),
        234,
        {"_remove_final_layer_norm": False},
        real_pad_tokens=True,
    )


if __name__ == "__main__":
    main()
