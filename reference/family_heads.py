"""Golden cases of heads on further decoders: their names and prefixes differ from family to family."""

import transformers

from task_case import classes, make_case, numbers, spans, token_classes

PAD = 3
COMMON = dict(vocab_size=64, pad_token_id=PAD, bos_token_id=1, eos_token_id=2, num_hidden_layers=1)


def main() -> None:
    t = transformers
    make_case(
        "gpt_neo-tokens",
        t.GPTNeoForTokenClassification,
        t.GPTNeoConfig(
            vocab_size=64,
            pad_token_id=PAD,
            bos_token_id=1,
            eos_token_id=2,
            hidden_size=24,
            num_layers=2,
            num_heads=3,
            attention_types=[[["global", "local"], 1]],
            window_size=5,
            max_position_embeddings=32,
            classifier_dropout=0.0,
            resid_dropout=0.0,
            embed_dropout=0.0,
            attention_dropout=0.0,
            num_labels=3,
        ),
        231,
        {},
        token_classes(3),
    )
    make_case(
        "gptj-answers",
        t.GPTJForQuestionAnswering,
        t.GPTJConfig(
            vocab_size=64,
            pad_token_id=PAD,
            bos_token_id=1,
            eos_token_id=2,
            n_embd=24,
            n_layer=1,
            n_head=3,
            n_positions=32,
            rotary_dim=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        ),
        232,
        {},
        spans,
    )
    neox = dict(
        COMMON,
        hidden_size=24,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=32,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        classifier_dropout=0.0,
    )
    make_case("gpt_neox-tokens", t.GPTNeoXForTokenClassification, t.GPTNeoXConfig(**neox, num_labels=4), 233, {}, token_classes(4))
    make_case("gpt_neox-answers", t.GPTNeoXForQuestionAnswering, t.GPTNeoXConfig(**neox), 234, {}, spans)
    opt = dict(
        COMMON,
        hidden_size=24,
        word_embed_proj_dim=16,
        ffn_dim=40,
        num_attention_heads=3,
        max_position_embeddings=32,
        dropout=0.0,
        attention_dropout=0.0,
    )
    make_case("opt-classes", t.OPTForSequenceClassification, t.OPTConfig(**opt, num_labels=3), 235, {}, classes(3))
    make_case("opt-answers", t.OPTForQuestionAnswering, t.OPTConfig(**opt), 236, {}, spans)
    bloom = dict(
        vocab_size=64,
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=2,
        hidden_size=24,
        n_layer=1,
        n_head=3,
        hidden_dropout=0.0,
        attention_dropout=0.0,
    )
    make_case("bloom-reward", t.BloomForSequenceClassification, t.BloomConfig(**bloom, num_labels=1), 237, {}, numbers(1))
    make_case("bloom-answers", t.BloomForQuestionAnswering, t.BloomConfig(**bloom), 238, {}, spans)
    falcon = dict(
        COMMON,
        hidden_size=24,
        num_attention_heads=3,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        max_position_embeddings=32,
    )
    make_case("falcon-tokens", t.FalconForTokenClassification, t.FalconConfig(**falcon, num_labels=3), 239, {}, token_classes(3))
    llama_like = dict(
        COMMON,
        hidden_size=24,
        intermediate_size=40,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
    )
    make_case(
        "qwen2-answers", t.Qwen2ForQuestionAnswering, t.Qwen2Config(**llama_like), 240, {}, spans
    )
    make_case(
        "mistral-answers", t.MistralForQuestionAnswering, t.MistralConfig(**llama_like, sliding_window=4), 241, {}, spans
    )
    make_case(
        "gemma2-classes",
        t.Gemma2ForSequenceClassification,
        t.Gemma2Config(**llama_like, head_dim=8, num_labels=3),
        242,
        {},
        classes(3),
    )
    make_case(
        "mixtral-reward",
        t.MixtralForSequenceClassification,
        t.MixtralConfig(**{**llama_like, "intermediate_size": 16}, num_local_experts=3, num_labels=1),
        243,
        {},
        numbers(1),
    )
    make_case(
        "phi-tokens",
        t.PhiForTokenClassification,
        t.PhiConfig(**llama_like, num_labels=3, hidden_dropout=0.0, resid_pdrop=0.0),
        244,
        {},
        token_classes(3),
    )


if __name__ == "__main__":
    main()
