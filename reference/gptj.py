"""Golden cases of GPT-J: goldens/model-gptj-*."""

from transformers import GPTJConfig

import causal_lm


def config(**changes) -> GPTJConfig:
    small = dict(
        vocab_size=96,
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=2,
        rotary_dim=8,
        n_inner=64,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=1,
        eos_token_id=2,
        architectures=["GPTJForCausalLM"],
    )
    return GPTJConfig(**{**small, **changes})


def main() -> None:
    causal_lm.make_case(
        "gptj-partial", config(), 211, {"rotary_dim": 16, "activation_function": "relu", "tie_word_embeddings": True}
    )
    causal_lm.make_case(
        "gptj-tied",
        config(
            n_head=4,
            rotary_dim=8,
            n_inner=40,
            activation_function="silu",
            layer_norm_epsilon=0.03,
            tie_word_embeddings=True,
        ),
        212,
        {"rotary_dim": 2, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5},
    )


if __name__ == "__main__":
    main()
