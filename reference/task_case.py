"""Golden cases of any head: inputs and labels, what the head gives, loss, gradients and ten AdamW losses.

As in causal_lm.py the model is transformers' own with eager attention, dropout off and every parameter random, and a case
that proves nothing is refused. Nothing is generated here.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

import causal_lm
import golden_case

BATCH, LENGTH = causal_lm.BATCH, causal_lm.LENGTH
OUTPUTS = {
    "logits": "logits",
    "prediction_logits": "logits",
    "seq_relationship_logits": "seq_relationship_logits",
    "start_logits": "start_logits",
    "end_logits": "end_logits",
    "last_hidden_state": "last_hidden_state",
    "pooler_output": "pooler_output",
}


def make_case(
    name: str,
    model_class: type[PreTrainedModel],
    config: PreTrainedConfig,
    seed: int,
    options: dict[str, object],
    labels: Callable[[dict[str, torch.Tensor], torch.Generator], dict[str, torch.Tensor]],
    two_texts: bool = False,
    after_save: Callable[[Path], None] | None = None,
    more_inputs: Callable[[dict[str, torch.Tensor], torch.Generator], dict[str, torch.Tensor]] | None = None,
) -> None:
    """Writes goldens/model-<name>.

    options: configuration keys this case is about, each with another value that must change what the head gives.
    labels: makes the labels from the inputs.
    two_texts: token_type_ids are given.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config._attn_implementation = "eager"
    config.architectures = [model_class.__name__]
    generator = torch.Generator().manual_seed(seed)
    model = model_class._from_config(config, attn_implementation="eager").float().eval()
    randomize(model, generator)

    drawn = causal_lm.draw_inputs(config, generator, False)
    inputs = {key: drawn[key] for key in ("input_ids", "attention_mask")}
    if two_texts:
        second = torch.tensor([LENGTH // 2, LENGTH // 3, LENGTH // 4])
        types = (torch.arange(LENGTH) >= second[:, None]).long() * inputs["attention_mask"]
        inputs["token_type_ids"] = types.clamp(max=config.type_vocab_size - 1)
    if more_inputs is not None:
        inputs.update(more_inputs(inputs, generator))
    answers = labels(inputs, generator)

    folder = golden_case.new_case("model", name)
    model.save_pretrained(folder)
    if after_save is not None:
        after_save(folder)

    result = model(**inputs, **answers)
    outputs = {golden: result[key] for key, golden in OUTPUTS.items() if result.get(key) is not None}
    check_options_visible(name, model_class, model, inputs, outputs, options)
    loaded = model_class.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        error = largest_change(loaded(**inputs), outputs, inputs)
    if error != 0:
        raise SystemExit(f"{name}: the saved folder loads to outputs that differ by {error:.1e}")
    result.loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    check_gradients(name, grads)

    def losses(m: PreTrainedModel) -> torch.Tensor:
        return causal_lm.adamw_losses(m, {**inputs, **answers})

    golden_case.write_tensors(
        folder / "golden.safetensors",
        {**inputs, **answers, **outputs, "loss": result.loss.reshape(1), "adamw_losses": losses(model)},
    )
    golden_case.write_tensors(folder / "golden_grads.safetensors", grads)
    golden_case.write_json(
        folder / "case.json",
        {
            "kind": "model",
            "name": name,
            "architecture": model_class.__name__,
            "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
            "tolerance": causal_lm.TOLERANCE,
        },
    )
    golden_case.finish(folder)


def randomize(model: PreTrainedModel, generator: torch.Generator) -> None:
    """Draws every parameter anew, in the order of their names' first use."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 2:
                embedding = "embed" in name or "wte" in name or "wpe" in name
                fan_in = parameter.shape[0] if ".c_" in name else parameter.shape[1]
                parameter.copy_(noise * (0.4 if embedding else 1.5 / fan_in**0.5))
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.25 * noise)
            else:
                parameter.copy_(0.3 * noise)


def largest_change(result, outputs, inputs) -> float:
    """By how much the outputs at positions that count differ."""
    counted = inputs["attention_mask"].bool()
    worst = 0.0
    for key, golden in OUTPUTS.items():
        if result.get(key) is not None and golden in outputs:
            moved = (result[key] - outputs[golden]).abs()
            if moved.shape[:2] == counted.shape:
                moved = moved[counted]
            worst = max(worst, moved.max().item())
    return worst


def check_options_visible(name, model_class, model, inputs, outputs, options) -> None:
    for key, other in options.items():
        config = copy.deepcopy(model.config)
        setattr(config, key, other)
        changed = model_class._from_config(config, attn_implementation="eager").float().eval()
        kept = changed.state_dict()
        kept.update({n: t for n, t in model.state_dict().items() if n in kept})
        changed.load_state_dict(kept)
        changed.tie_weights()
        with torch.no_grad():
            moved = largest_change(changed(**inputs), outputs, inputs)
        if moved < causal_lm.VISIBLE:
            raise SystemExit(f"{name}: {key}={other} moves the outputs by only {moved:.1e}; it must by {causal_lm.VISIBLE}")


def check_gradients(name, grads) -> None:
    for parameter, grad in grads.items():
        # Keys' biases shift all scores of a query alike, so their gradient is nothing but rounding.
        if not torch.isfinite(grad).all():
            raise SystemExit(f"{name}: the gradient of {parameter} is not finite")


def hidden_tokens(inputs: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Labels of a masked language model: a third of the real tokens."""
    chosen = torch.rand(inputs["input_ids"].shape, generator=generator) < 0.33
    return {"labels": inputs["input_ids"].masked_fill(~chosen | (inputs["attention_mask"] == 0), -100)}


def hidden_tokens_and_next(inputs, generator) -> dict[str, torch.Tensor]:
    return {**hidden_tokens(inputs, generator), "next_sentence_label": torch.tensor([0, 1, 1])}


def classes(count: int):
    return lambda inputs, generator: {"labels": torch.randint(0, count, (BATCH,), generator=generator)}


def numbers(count: int):
    """Numbers to come close to: [B] for one, [B, count] for more."""
    shape = (BATCH,) if count == 1 else (BATCH, count)
    return lambda inputs, generator: {"labels": torch.randn(shape, generator=generator)}


def any_of(count: int):
    """Several labels at once, as floats."""
    return lambda inputs, generator: {"labels": (torch.rand((BATCH, count), generator=generator) < 0.5).float()}


def token_classes(count: int):
    def draw(inputs, generator):
        labels = torch.randint(0, count, inputs["input_ids"].shape, generator=generator)
        left_out = torch.rand(labels.shape, generator=generator) < 0.15
        return {"labels": labels.masked_fill(left_out | (inputs["attention_mask"] == 0), -100)}

    return draw


def spans(inputs, generator) -> dict[str, torch.Tensor]:
    """Answers' ends; one lies outside the text and doesn't count."""
    return {"start_positions": torch.tensor([3, 1, 5]), "end_positions": torch.tensor([7, LENGTH + 4, 9])}
