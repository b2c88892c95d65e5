"""Golden cases of GPT-Neo: goldens/model-gpt_neo-*."""

from transformers import GPTNeoConfig

import causal_lm


def config(**changes) -> GPTNeoConfig:
    small = dict(
        vocab_size=96,
        max_position_embeddings=64,
        hidden_size=32,
        num_layers=2,
        attention_types=[[["global", "local"], 1]],
        num_heads=4,
        intermediate_size=64,
        window_size=5,
        resid_dropout=0.0,
        embed_dropout=0.0,
        attention_dropout=0.0,
        bos_token_id=1,
        eos_token_id=2,
        architectures=["GPTNeoForCausalLM"],
    )
    return GPTNeoConfig(**{**small, **changes})


def main() -> None:
    causal_lm.make_case(
        "gpt_neo-alternating",
        config(),
        201,
        {"window_size": 256, "attention_layers": ["local", "global"], "activation_function": "relu"},
    )
    causal_lm.make_case(
        "gpt_neo-untied",
        config(
            num_layers=3,
            attention_types=[[["local"], 2], [["global"], 1]],
            hidden_size=24,
            num_heads=3,
            intermediate_size=40,
            window_size=3,
            activation_function="relu",
            layer_norm_epsilon=0.03,
            tie_word_embeddings=False,
        ),
        202,
        {"window_size": 4, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True},
    )
    # A padded query may see no real key in a window this narrow.
    causal_lm.make_case(
        "gpt_neo-local",
        config(attention_types=[[["local"], 2]], window_size=2, hidden_size=16, num_heads=2, activation_function="silu"),
        203,
        {"window_size": 3, "activation_function": "gelu"},
    )


if __name__ == "__main__":
    main()
