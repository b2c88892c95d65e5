"""Golden cases of heads on decoders: goldens/model-gpt2-classes and others.

The padding token stands at padded positions and, in some rows, inside the text too: the last token that isn't padding is
the one that is judged. Rows are padded on the right.
"""

import transformers
from transformers import GPT2Config, LlamaConfig

from task_case import any_of, classes, make_case, numbers, spans, token_classes

PAD = 3


def gpt2(**changes) -> GPT2Config:
    sizes = dict(
        vocab_size=64,
        n_positions=32,
        n_embd=24,
        n_layer=2,
        n_head=3,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=2,
    )
    return GPT2Config(**{**sizes, **changes})


def llama(**changes) -> LlamaConfig:
    sizes = dict(
        vocab_size=64,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    return LlamaConfig(**{**sizes, **changes})


def padding_inside(inputs, generator):
    """The padding token also stands at a token that counts, and one row ends in it."""
    ids = inputs["input_ids"].clone()
    ids[0, 4] = PAD
    ids[0, -1] = PAD
    return {"input_ids": ids}


def main() -> None:
    t = transformers
    make_case("gpt2-classes", t.GPT2ForSequenceClassification, gpt2(num_labels=4), 201, {}, classes(4))
    make_case("gpt2-reward", t.GPT2ForSequenceClassification, gpt2(num_labels=1, n_layer=1), 202, {}, numbers(1))
    make_case(
        "gpt2-tokens", t.GPT2ForTokenClassification, gpt2(num_labels=5, classifier_dropout=0.0), 203, {}, token_classes(5)
    )
    make_case("gpt2-answers", t.GPT2ForQuestionAnswering, gpt2(), 204, {}, spans)
    make_case(
        "llama-classes",
        t.LlamaForSequenceClassification,
        llama(num_labels=3),
        211,
        {"hidden_act": "relu"},
        classes(3),
        more_inputs=padding_inside,
    )
    make_case("llama-reward", t.LlamaForSequenceClassification, llama(num_labels=1), 212, {}, numbers(1))
    make_case("llama-any-label", t.LlamaForSequenceClassification, llama(num_labels=4), 213, {}, any_of(4))
    make_case(
        "llama-regression",
        t.LlamaForSequenceClassification,
        llama(num_labels=2, problem_type="regression", num_hidden_layers=1),
        214,
        {},
        numbers(2),
    )
    make_case(
        "llama-tokens", t.LlamaForTokenClassification, llama(num_labels=3, classifier_dropout=0.0), 215, {}, token_classes(3)
    )
    make_case(
        "llama-tokens-no-bias",
        t.LlamaForTokenClassification,
        llama(num_labels=2, classifier_dropout=0.0, token_classification_bias=False, num_hidden_layers=1),
        216,
        {},
        token_classes(2),
    )
    make_case("llama-answers", t.LlamaForQuestionAnswering, llama(), 217, {}, spans)


if __name__ == "__main__":
    main()
