"""Golden cases of encoder-decoder language models: inputs, logits, loss, gradients, ten AdamW losses and greedy tokens.

As causal_lm.py makes those of causal models: transformers' own model with eager attention, dropout off and every
parameter (and the buffer final_logits_bias) random, and the same reasons to refuse a case.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel

import causal_lm
import golden_case

BATCH, LENGTH, LABELS = 3, 18, 11
NEW_TOKENS = 16


def make_case(
    name: str,
    config: PreTrainedConfig,
    seed: int,
    options: dict[str, object],
    before: Callable[[PreTrainedModel], None] | None = None,
    after_save: Callable[[Path], None] | None = None,
) -> None:
    """Writes goldens/model-<name>.

    options: configuration keys this case is about, each with another value that must change the logits.
    before: changes the new model before its parameters are drawn (an output matrix of its own).
    after_save: rewrites the saved model folder, which must still load to equal logits.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    architecture = getattr(transformers, config.architectures[0])
    config._attn_implementation = "eager"
    generator = torch.Generator().manual_seed(seed)
    model = architecture(config).float().eval()
    if before is not None:
        before(model)
    inputs, greedy = decisive_model(name, model, generator)
    folder = golden_case.new_case("model", name)
    model.save_pretrained(folder)
    if after_save is not None:
        after_save(folder)

    output = model(**inputs)
    check_options_visible(name, model, inputs, output.logits, options)
    check_reload(name, architecture, folder, inputs, output.logits)
    output.loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    causal_lm.check_gradients(name, grads)

    golden = {
        **inputs,
        "logits": output.logits,
        "loss": output.loss.reshape(1),
        "greedy_ids": greedy,
        "adamw_losses": causal_lm.adamw_losses(model, inputs),
    }
    golden_case.write_tensors(folder / "golden.safetensors", golden)
    golden_case.write_tensors(folder / "golden_grads.safetensors", grads)
    golden_case.write_json(
        folder / "case.json",
        {
            "kind": "model",
            "name": name,
            "architecture": config.architectures[0],
            "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
            "tolerance": causal_lm.TOLERANCE,
        },
    )
    golden_case.finish(folder)


def randomize(model: PreTrainedModel, generator: torch.Generator) -> None:
    causal_lm.randomize(model, generator)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("SelfAttention.q.weight", "EncDecAttention.q.weight")):
                # T5 does not scale its scores; queries of unit size would make every pattern a spike.
                parameter.mul_(0.4)
            elif "embed_positions" in name:
                # Positions that weigh as much as tokens keep greedy decoding from repeating itself.
                parameter.mul_(2.5)
        if hasattr(model, "final_logits_bias"):
            bias = model.final_logits_bias
            bias.copy_(0.5 * torch.randn(bias.shape, generator=generator))


def draw_inputs(config: PreTrainedConfig, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Inputs of three lengths, padded on the right, and labels of three other lengths with gaps."""
    lowest = config.pad_token_id + 1
    input_ids = torch.randint(lowest, config.vocab_size, (BATCH, LENGTH), generator=generator)
    lengths = torch.tensor([LENGTH - 4, LENGTH, LENGTH - 9])
    attention_mask = (torch.arange(LENGTH) < lengths[:, None]).long()
    input_ids[attention_mask == 0] = config.pad_token_id
    labels = torch.randint(lowest, config.vocab_size, (BATCH, LABELS), generator=generator)
    label_lengths = torch.tensor([LABELS, LABELS - 5, LABELS - 2])
    left_out = torch.rand((BATCH, LABELS), generator=generator) < 0.1
    labels[left_out | (torch.arange(LABELS) >= label_lengths[:, None])] = -100
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def check_options_visible(name, model, inputs, logits, options) -> None:
    for key, other in options.items():
        config = copy.deepcopy(model.config)
        setattr(config, key, other)
        changed = type(model)(config).float().eval()
        kept = changed.state_dict()
        kept.update({n: t for n, t in model.state_dict().items() if n in kept and kept[n].shape == t.shape})
        changed.load_state_dict(kept)
        with torch.no_grad():
            moved = (changed(**inputs).logits - logits).abs().max().item()
        if moved < causal_lm.VISIBLE:
            raise SystemExit(f"{name}: {key}={other} moves the logits by only {moved:.1e}")


def check_reload(name, architecture, folder, inputs, logits) -> None:
    loaded = architecture.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        error = (loaded(**inputs).logits - logits).abs().max().item()
    if error != 0:
        raise SystemExit(f"{name}: the saved folder loads to logits that differ by {error:.1e}")


def decisive_model(name: str, model: PreTrainedModel, generator: torch.Generator):
    """Draws parameters and inputs until greedy decoding has no near ties and no row that only repeats itself."""
    for _ in range(200):
        randomize(model, generator)
        inputs = draw_inputs(model.config, generator)
        greedy, margin = greedy_tokens(name, model, inputs)
        if margin >= causal_lm.GREEDY_MARGIN and min(len(set(row)) for row in greedy.tolist()) >= 3:
            return inputs, greedy
    raise SystemExit(f"{name}: no decisive tokens in 200 draws; take another seed")


def greedy_tokens(name: str, model: PreTrainedModel, inputs: dict[str, torch.Tensor]):
    """The tokens of greedy decoding and the smallest lead of a best token over the second.

    Decodes by generate with its cache and again by whole forward passes without one; both must agree.
    """
    start = model.config.decoder_start_token_id
    # generate fills what a call leaves unset from the model's own settings, where EOS would end a row or be forced.
    model.generation_config = GenerationConfig(do_sample=False, pad_token_id=0, decoder_start_token_id=start)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    settings = GenerationConfig(
        do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0, decoder_start_token_id=start
    )
    with torch.no_grad():
        cached = model.generate(ids, attention_mask=mask, generation_config=settings)[:, 1:]
        decoded = torch.full((len(ids), 1), start)
        margin = float("inf")
        for _ in range(NEW_TOKENS):
            last = model(input_ids=ids, attention_mask=mask, decoder_input_ids=decoded, use_cache=False).logits[:, -1]
            best = last.topk(2, dim=-1).values
            margin = min(margin, (best[:, 0] - best[:, 1]).min().item())
            decoded = torch.cat([decoded, last.argmax(-1, keepdim=True)], dim=1)
    if margin >= causal_lm.GREEDY_MARGIN and not torch.equal(decoded[:, 1:], cached):
        raise SystemExit(f"{name}: greedy tokens with and without a cache differ")
    return cached, margin
