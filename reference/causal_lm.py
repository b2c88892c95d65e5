"""Golden cases of causal language models: inputs, logits, loss, gradients, ten AdamW losses and greedy tokens.

The model is transformers' own with eager attention, dropout off and every parameter random. A case is refused when
it proves nothing: an option whose other value gives nearly the same logits, greedy tokens that hang on a rounding
error, or a saved folder that loads to other logits.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig, PreTrainedModel

import golden_case

TOLERANCE = {"logits": 1e-4, "loss": 1e-5, "grads": 1e-3, "losses": 5e-5}
BATCH, LENGTH = 3, 20
PROMPT_LENGTH, NEW_TOKENS = 9, 20
# An option counts as visible when switching it moves some logit by a hundred times the tolerance.
VISIBLE = 100 * TOLERANCE["logits"]
# Greedy tokens are exact only where the best token leads the second by far more than engines differ.
GREEDY_MARGIN = 20 * TOLERANCE["logits"]


def make_case(
    name: str,
    config: PreTrainedConfig,
    seed: int,
    options: dict[str, object],
    after_save: Callable[[Path], None] | None = None,
    real_pad_tokens: bool = False,
    max_shard_size: str = "10MB",
) -> None:
    """Writes goldens/model-<name>.

    options: configuration keys this case is about, each with another value that must change the logits.
    after_save: rewrites the saved model folder (older spellings of keys), which must still load to equal logits.
    real_pad_tokens: pad_token_id also stands at counted positions, where its embedding row gets no gradient.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config._attn_implementation = "eager"
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    randomize(model, generator)

    inputs = draw_inputs(config, generator, real_pad_tokens)
    folder = golden_case.new_case("model", name)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    if after_save is not None:
        after_save(folder)

    output = model(**inputs)
    check_options_visible(name, model, inputs, output.logits, options)
    check_reload(name, folder, inputs, output.logits)
    output.loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    check_gradients(name, grads)

    prompts, greedy = decisive_prompts(name, model, generator)
    golden = {
        **inputs,
        **prompts,
        "logits": output.logits,
        "loss": output.loss.reshape(1),
        "greedy_ids": greedy,
        "adamw_losses": adamw_losses(model, inputs),
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
            "tolerance": TOLERANCE,
        },
    )
    golden_case.finish(folder)


def randomize(model: PreTrainedModel, generator: torch.Generator) -> None:
    """Draws every parameter anew: matrices with gain 1.5, norm weights around 1, biases around 0."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 2:
                embedding = any(part in name for part in ("wte", "wpe", "embed"))
                fan_in = parameter.shape[0] if "c_" in name else parameter.shape[1]
                parameter.copy_(noise * (0.4 if embedding else 1.5 / fan_in**0.5))
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.25 * noise)
            else:
                parameter.copy_(0.3 * noise)


def draw_inputs(config: PreTrainedConfig, generator: torch.Generator, real_pad_tokens: bool) -> dict[str, torch.Tensor]:
    """A batch with rows of three lengths, padded on the right, and labels with some more positions left out."""
    lowest = 0 if config.pad_token_id is None else config.pad_token_id + 1
    input_ids = torch.randint(lowest, config.vocab_size, (BATCH, LENGTH), generator=generator)
    lengths = torch.tensor([LENGTH, LENGTH - 3, LENGTH - 8])
    attention_mask = (torch.arange(LENGTH) < lengths[:, None]).long()
    left_out = torch.rand((BATCH, LENGTH), generator=generator) < 0.15
    if config.pad_token_id is not None:
        input_ids[attention_mask == 0] = config.pad_token_id
    if real_pad_tokens:
        input_ids[0, 5] = input_ids[1, 2] = config.pad_token_id
    labels = input_ids.masked_fill(left_out | (attention_mask == 0), -100)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def draw_prompts(config: PreTrainedConfig, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Prompts of three lengths, padded on the left."""
    lowest = 0 if config.pad_token_id is None else config.pad_token_id + 1
    prompt_ids = torch.randint(lowest, config.vocab_size, (BATCH, PROMPT_LENGTH), generator=generator)
    padding = torch.tensor([0, 4, 7])
    prompt_mask = (torch.arange(PROMPT_LENGTH) >= padding[:, None]).long()
    prompt_ids[prompt_mask == 0] = config.pad_token_id or 0
    return {"prompt_ids": prompt_ids, "prompt_mask": prompt_mask}


def check_options_visible(name, model, inputs, logits, options) -> None:
    counted = inputs["attention_mask"].bool()
    for key, other in options.items():
        config = copy.deepcopy(model.config)
        setattr(config, key, other)
        changed = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
        kept = changed.state_dict()
        kept.update({n: t for n, t in model.state_dict().items() if n in kept})
        changed.load_state_dict(kept)
        changed.tie_weights()
        with torch.no_grad():
            moved = (changed(**inputs).logits - logits)[counted].abs().max().item()
        if moved < VISIBLE:
            raise SystemExit(f"{name}: {key}={other} moves the logits by only {moved:.1e}; it must by {VISIBLE}")


def check_reload(name, folder, inputs, logits) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        error = (loaded(**inputs).logits - logits).abs().max().item()
    if error != 0:
        raise SystemExit(f"{name}: the saved folder loads to logits that differ by {error:.1e}")


def check_gradients(name, grads) -> None:
    for parameter, grad in grads.items():
        if not torch.isfinite(grad).all() or grad.abs().max() == 0:
            raise SystemExit(f"{name}: the gradient of {parameter} is zero or not finite")


def decisive_prompts(name: str, model: PreTrainedModel, generator: torch.Generator):
    """Draws prompts until greedy decoding has no near ties and no row that only repeats itself."""
    for _ in range(50):
        prompts = draw_prompts(model.config, generator)
        greedy, margin = greedy_tokens(name, model, **prompts)
        if margin >= GREEDY_MARGIN and min(len(set(row)) for row in greedy.tolist()) >= 3:
            return prompts, greedy
    raise SystemExit(f"{name}: no decisive prompts in 50 draws; take another seed")


def greedy_tokens(name: str, model: PreTrainedModel, prompt_ids: torch.Tensor, prompt_mask: torch.Tensor):
    """The tokens of greedy decoding and the smallest lead of a best token over the second.

    Decodes by generate with its cache and again by whole forward passes without one; both must agree.
    """
    # generate fills what a call leaves unset from the model's own settings, where an EOS would end a row.
    model.generation_config = GenerationConfig(do_sample=False, pad_token_id=0)
    settings = GenerationConfig(do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0)
    # transformers' router loss can't be worked out for the steps of a padded generation, and nobody asks for it there.
    router_logits = getattr(model.config, "output_router_logits", None)
    if router_logits:
        model.config.output_router_logits = False
    with torch.no_grad():
        cached = model.generate(prompt_ids, attention_mask=prompt_mask, generation_config=settings)[:, PROMPT_LENGTH:]
        ids, mask, margin = prompt_ids, prompt_mask, float("inf")
        for _ in range(NEW_TOKENS):
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            last = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).logits[:, -1]
            best = last.topk(2, dim=-1).values
            margin = min(margin, (best[:, 0] - best[:, 1]).min().item())
            ids = torch.cat([ids, last.argmax(-1, keepdim=True)], dim=1)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    if router_logits:
        model.config.output_router_logits = router_logits
    if margin >= GREEDY_MARGIN and not torch.equal(ids[:, PROMPT_LENGTH:], cached):
        raise SystemExit(f"{name}: greedy tokens with and without a cache differ")
    return cached, margin


def adamw_losses(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The loss before each of ten AdamW steps on the batch, decay on every parameter. Changes the model."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = model(**inputs).loss
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return torch.tensor(losses)


def rewrite_config(folder: Path, rewrite: Callable[[dict], dict]) -> None:
    """Applies a function to the saved config.json."""
    path = folder / "config.json"
    golden_case.write_json(path, rewrite(json.loads(path.read_text(encoding="utf-8"))))
