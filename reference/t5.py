"""Golden cases of T5: goldens/model-t5-*."""

from pathlib import Path

import torch
from transformers import T5Config, T5ForConditionalGeneration

import causal_lm
import seq2seq_lm


def config(**changes) -> T5Config:
    small = dict(
        vocab_size=64,
        d_model=24,
        d_kv=8,
        d_ff=40,
        num_layers=2,
        num_heads=3,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=14,
        dropout_rate=0.0,
        layer_norm_epsilon=1e-6,
        feed_forward_proj="relu",
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        architectures=["T5ForConditionalGeneration"],
    )
    return T5Config(**{**small, **changes})


def own_output(model: T5ForConditionalGeneration) -> None:
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))


def older_spelling(folder: Path) -> None:
    """config.json as T5 1.1's: an untied output matrix and nothing that can be worked out from other keys."""

    def rewrite(saved: dict) -> dict:
        for key in ("scale_decoder_outputs", "dense_act_fn", "is_gated_act", "num_decoder_layers", "dtype"):
            del saved[key]
        return {**saved, "tie_word_embeddings": False, "torch_dtype": "float32"}

    causal_lm.rewrite_config(folder, rewrite)


def main() -> None:
    seq2seq_lm.make_case(
        "t5-relu-tied",
        config(layer_norm_epsilon=0.01),
        81,
        {"relative_attention_max_distance": 8, "layer_norm_epsilon": 1e-6, "scale_decoder_outputs": False},
    )
    seq2seq_lm.make_case(
        "t5-gated-unscaled",
        config(
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            num_layers=2,
            num_decoder_layers=1,
            d_kv=6,
            num_heads=2,
            decoder_start_token_id=3,
        ),
        82,
        {"scale_decoder_outputs": True, "dense_act_fn": "relu"},
    )
    seq2seq_lm.make_case(
        "t5-gated-untied",
        config(feed_forward_proj="gated-silu", tie_word_embeddings=False, num_layers=1, num_decoder_layers=1),
        83,
        {"dense_act_fn": "gelu_new"},
        before=own_output,
        after_save=older_spelling,
    )


if __name__ == "__main__":
    main()
