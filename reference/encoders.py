"""Golden cases of encoders: goldens/model-bert-*, -ernie-*, -roberta-*, -modernbert-*."""

from pathlib import Path

import safetensors.torch
import torch
import transformers
from transformers import BertConfig, ErnieConfig, ModernBertConfig, RobertaConfig

import causal_lm

from task_case import any_of, classes, hidden_tokens, hidden_tokens_and_next, make_case, numbers, spans, token_classes

NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def small(config_class, **changes):
    sizes = dict(
        vocab_size=64,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=40,
        layer_norm_eps=1e-12,
        **NO_DROPOUT,
    )
    return config_class(**{**sizes, **changes})


def modern(**changes) -> ModernBertConfig:
    sizes = dict(
        vocab_size=64,
        hidden_size=24,
        intermediate_size=20,
        num_hidden_layers=4,
        num_attention_heads=2,
        max_position_embeddings=64,
        local_attention=6,
        pad_token_id=3,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 500.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
        },
    )
    return ModernBertConfig(**{**sizes, **changes})


def task_types(inputs, generator):
    return {"task_type_ids": torch.randint(0, 4, inputs["input_ids"].shape, generator=generator)}


def first_release(folder: Path) -> None:
    """Names as files converted from BERT's first release have them, with a head that the class doesn't use."""
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    older = {}
    for name, tensor in tensors.items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        older[name] = tensor
    older["cls.seq_relationship.weight"] = torch.zeros(2, 24)
    older["cls.seq_relationship.bias"] = torch.zeros(2)
    older["bert.embeddings.position_ids"] = torch.arange(40).unsqueeze(0)
    safetensors.torch.save_file(older, path, metadata={"format": "pt"})


def older_modern(folder: Path) -> None:
    """config.json as folders saved before transformers 5 have it."""

    def rewrite(saved: dict) -> dict:
        ropes = saved.pop("rope_parameters")
        saved["global_rope_theta"] = ropes["full_attention"]["rope_theta"]
        saved["local_rope_theta"] = ropes["sliding_attention"]["rope_theta"]
        saved.pop("layer_types")
        saved["global_attn_every_n_layers"] = 2
        return saved

    causal_lm.rewrite_config(folder, rewrite)


def bert() -> None:
    t = transformers
    make_case(
        "bert-masked", t.BertForMaskedLM, small(BertConfig), 101, {"hidden_act": "relu"}, hidden_tokens, two_texts=True
    )
    make_case(
        "bert-untied",
        t.BertForMaskedLM,
        small(BertConfig, tie_word_embeddings=False, hidden_act="gelu_new", layer_norm_eps=0.05, num_attention_heads=4),
        102,
        {"hidden_act": "relu", "layer_norm_eps": 1e-12},
        hidden_tokens,
        after_save=first_release,
    )
    make_case(
        "bert-pretraining",
        t.BertForPreTraining,
        small(BertConfig, hidden_act="relu", type_vocab_size=3, pad_token_id=5),
        103,
        {"hidden_act": "gelu"},
        hidden_tokens_and_next,
        two_texts=True,
    )
    make_case(
        "bert-pretraining-untied",
        t.BertForPreTraining,
        small(BertConfig, tie_word_embeddings=False, num_hidden_layers=1),
        104,
        {},
        hidden_tokens_and_next,
        two_texts=True,
    )
    make_case(
        "bert-next-sentence",
        t.BertForNextSentencePrediction,
        small(BertConfig, num_hidden_layers=1),
        105,
        {},
        classes(2),
        two_texts=True,
    )
    make_case(
        "bert-classes", t.BertForSequenceClassification, small(BertConfig, num_labels=4), 106, {}, classes(4), two_texts=True
    )
    make_case("bert-regression", t.BertForSequenceClassification, small(BertConfig, num_labels=1), 107, {}, numbers(1))
    make_case(
        "bert-tokens",
        t.BertForTokenClassification,
        small(BertConfig, num_labels=5, num_hidden_layers=1),
        108,
        {},
        token_classes(5),
    )
    make_case("bert-answers", t.BertForQuestionAnswering, small(BertConfig), 109, {}, spans, two_texts=True)
    make_case(
        "bert-decoder",
        t.BertLMHeadModel,
        small(BertConfig, is_decoder=True, num_hidden_layers=1),
        110,
        {"is_decoder": False},
        lambda inputs, generator: {
            "labels": inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        },
    )


def ernie() -> None:
    t = transformers
    make_case(
        "ernie-masked",
        t.ErnieForMaskedLM,
        small(ErnieConfig, use_task_id=True, task_type_vocab_size=4),
        121,
        {"hidden_act": "relu"},
        hidden_tokens,
        two_texts=True,
        more_inputs=task_types,
    )
    make_case(
        "ernie-task-zero",
        t.ErnieForMaskedLM,
        small(ErnieConfig, use_task_id=True, tie_word_embeddings=False, hidden_act="relu", num_attention_heads=2),
        122,
        {"use_task_id": False, "hidden_act": "gelu"},
        hidden_tokens,
    )
    make_case(
        "ernie-pretraining",
        t.ErnieForPreTraining,
        small(ErnieConfig, layer_norm_eps=0.02),
        123,
        {"layer_norm_eps": 1e-12},
        hidden_tokens_and_next,
        two_texts=True,
    )
    make_case(
        "ernie-any-label",
        t.ErnieForSequenceClassification,
        small(ErnieConfig, num_labels=3, problem_type="multi_label_classification"),
        124,
        {},
        any_of(3),
        two_texts=True,
    )


def roberta() -> None:
    t = transformers
    make_case(
        "roberta-masked",
        t.RobertaForMaskedLM,
        small(RobertaConfig, type_vocab_size=1, hidden_act="relu"),
        131,
        {"hidden_act": "gelu"},
        hidden_tokens,
    )
    make_case(
        "roberta-untied",
        t.RobertaForMaskedLM,
        small(RobertaConfig, tie_word_embeddings=False, pad_token_id=4, layer_norm_eps=0.03, num_attention_heads=4),
        132,
        {"layer_norm_eps": 1e-12},
        hidden_tokens,
        two_texts=True,
    )
    make_case(
        "roberta-classes",
        t.RobertaForSequenceClassification,
        small(RobertaConfig, num_labels=3, type_vocab_size=1),
        133,
        {},
        classes(3),
    )
    make_case(
        "roberta-numbers",
        t.RobertaForSequenceClassification,
        small(RobertaConfig, num_labels=3, problem_type="regression", num_hidden_layers=1),
        134,
        {},
        numbers(3),
    )
    make_case(
        "roberta-tokens",
        t.RobertaForTokenClassification,
        small(RobertaConfig, num_labels=3, num_hidden_layers=1),
        135,
        {},
        token_classes(3),
    )
    make_case("roberta-answers", t.RobertaForQuestionAnswering, small(RobertaConfig), 136, {}, spans)


def modernbert() -> None:
    t = transformers
    other_ropes = {
        "full_attention": {"rope_type": "default", "rope_theta": 160000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    }
    make_case(
        "modernbert-masked",
        t.ModernBertForMaskedLM,
        modern(),
        141,
        {"local_attention": 10, "rope_parameters": other_ropes, "hidden_activation": "relu"},
        hidden_tokens,
    )
    make_case(
        "modernbert-biases",
        t.ModernBertForMaskedLM,
        modern(
            norm_bias=True,
            attention_bias=True,
            mlp_bias=True,
            classifier_bias=True,
            decoder_bias=False,
            tie_word_embeddings=False,
            hidden_activation="silu",
            classifier_activation="relu",
            norm_eps=0.02,
            local_attention=5,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            num_hidden_layers=3,
        ),
        142,
        {"norm_eps": 1e-5, "classifier_activation": "gelu"},
        hidden_tokens,
    )
    make_case(
        "modernbert-older",
        t.ModernBertForMaskedLM,
        modern(
            layer_types=["full_attention", "sliding_attention", "full_attention", "sliding_attention"], local_attention=4
        ),
        143,
        {"local_attention": 8},
        hidden_tokens,
        after_save=older_modern,
    )
    make_case(
        "modernbert-classes-mean",
        t.ModernBertForSequenceClassification,
        modern(num_labels=3, classifier_pooling="mean"),
        144,
        {"classifier_pooling": "cls"},
        classes(3),
    )
    make_case(
        "modernbert-classes-first",
        t.ModernBertForSequenceClassification,
        modern(num_labels=1, norm_bias=True),
        145,
        {"classifier_pooling": "mean"},
        numbers(1),
    )
    make_case(
        "modernbert-tokens", t.ModernBertForTokenClassification, modern(num_labels=4), 146, {}, token_classes(4)
    )
    make_case("modernbert-answers", t.ModernBertForQuestionAnswering, modern(local_attention=4), 147, {}, spans)


def main() -> None:
    bert()
    ernie()
    roberta()
    modernbert()


if __name__ == "__main__":
    main()
