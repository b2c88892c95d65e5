"""Golden cases of BART and Blenderbot: goldens/model-bart-* and goldens/model-blenderbot-*."""

from transformers import BartConfig, BlenderbotConfig

import seq2seq_lm

SMALL = dict(
    vocab_size=64,
    d_model=24,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=36,
    decoder_ffn_dim=36,
    max_position_embeddings=32,
    activation_function="gelu",
    dropout=0.0,
    attention_dropout=0.0,
    activation_dropout=0.0,
)


def bart(**changes) -> BartConfig:
    tokens = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2)
    return BartConfig(**{**SMALL, **tokens, "architectures": ["BartForConditionalGeneration"], **changes})


def blenderbot(**changes) -> BlenderbotConfig:
    tokens = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)
    return BlenderbotConfig(**{**SMALL, **tokens, "architectures": ["BlenderbotForConditionalGeneration"], **changes})


def main() -> None:
    seq2seq_lm.make_case("bart-tied", bart(), 91, {"activation_function": "relu", "scale_embedding": True})
    seq2seq_lm.make_case(
        "bart-untied-scaled",
        bart(
            tie_word_embeddings=False,
            scale_embedding=True,
            activation_function="relu",
            encoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=3,
            decoder_ffn_dim=28,
        ),
        92,
        {"scale_embedding": False, "activation_function": "gelu"},
    )
    seq2seq_lm.make_case(
        "blenderbot-tied", blenderbot(scale_embedding=True), 93, {"activation_function": "relu", "scale_embedding": False}
    )
    seq2seq_lm.make_case(
        "blenderbot-untied",
        blenderbot(
            tie_word_embeddings=False,
            activation_function="gelu_new",
            encoder_layers=1,
            decoder_layers=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=28,
        ),
        94,
        {"activation_function": "relu", "scale_embedding": True},
    )


if __name__ == "__main__":
    main()
