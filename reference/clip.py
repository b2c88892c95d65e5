"""Golden cases of CLIP: goldens/model-clip-*."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import CLIPConfig, CLIPModel

import causal_lm
import golden_case

PAIRS, LENGTH = 4, 12


def config(text: dict | None = None, vision: dict | None = None, **changes) -> CLIPConfig:
    text_config = dict(
        vocab_size=60,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        hidden_act="quick_gelu",
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    vision_config = dict(
        hidden_size=20,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
        hidden_act="quick_gelu",
    )
    return CLIPConfig(
        text_config={**text_config, **(text or {})},
        vision_config={**vision_config, **(vision or {})},
        **{"projection_dim": 16, "architectures": ["CLIPModel"], **changes},
    )


def randomize(model: CLIPModel, generator: torch.Generator) -> None:
    causal_lm.randomize(model, generator)
    with torch.no_grad():
        patches = model.vision_model.embeddings.patch_embedding.weight
        patches.copy_(1.5 / patches[0].numel() ** 0.5 * torch.randn(patches.shape, generator=generator))
        model.logit_scale.fill_(1.7)


def draw_inputs(config: CLIPConfig, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Texts of several lengths that end in EOS, padded on the right, and their images."""
    text, vision = config.text_config, config.vision_config
    input_ids = torch.randint(3, text.vocab_size - 1, (PAIRS, LENGTH), generator=generator)
    lengths = torch.tensor([LENGTH - 5, LENGTH, LENGTH - 2, LENGTH - 7])
    attention_mask = (torch.arange(LENGTH) < lengths[:, None]).long()
    # With eos_token_id 2 the text is pooled at its highest id, as in the first CLIP models.
    end = text.vocab_size - 1 if text.eos_token_id == 2 else text.eos_token_id
    input_ids[input_ids == end] += 1
    input_ids[torch.arange(PAIRS), lengths - 1] = end
    input_ids[attention_mask == 0] = text.pad_token_id
    size = vision.image_size
    pixels = torch.randn((PAIRS, vision.num_channels, size, size), generator=generator)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "pixel_values": pixels}


def make_case(
    name: str,
    config: CLIPConfig,
    seed: int,
    options: dict[str, dict[str, object]],
    after_save: Callable[[Path], None] | None = None,
) -> None:
    """Writes goldens/model-<name>; options as in causal_lm, by the configuration (text or vision) they stand in."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config._attn_implementation = "eager"
    generator = torch.Generator().manual_seed(seed)
    model = CLIPModel(config).float().eval()
    randomize(model, generator)
    inputs = {**draw_inputs(config, generator), "return_loss": True}
    folder = golden_case.new_case("model", name)
    model.save_pretrained(folder)
    if after_save is not None:
        after_save(folder)

    output = model(**inputs)
    logits = output.logits_per_image
    for part, changes in options.items():
        for key, other in changes.items():
            changed = copy.deepcopy(model.config)
            setattr(getattr(changed, part), key, other)
            moved_model = CLIPModel(changed).float().eval()
            moved_model.load_state_dict(model.state_dict())
            with torch.no_grad():
                moved = (moved_model(**inputs).logits_per_image - logits).abs().max().item()
            if moved < causal_lm.VISIBLE:
                raise SystemExit(f"{name}: {part}.{key}={other} moves the logits by only {moved:.1e}")
    loaded = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        error = (loaded(**inputs).logits_per_image - logits).abs().max().item()
    if error != 0:
        raise SystemExit(f"{name}: the saved folder loads to logits that differ by {error:.1e}")

    output.loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    causal_lm.check_gradients(name, grads)
    golden = {
        **{key: value for key, value in inputs.items() if key != "return_loss"},
        "logits": logits,
        "loss": output.loss.reshape(1),
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


def main() -> None:
    make_case(
        "clip-highest-id",
        config(),
        101,
        {"text_config": {"hidden_act": "gelu"}, "vision_config": {"hidden_act": "gelu"}},
    )
    make_case(
        "clip-eos",
        config(
            text=dict(eos_token_id=5, hidden_act="gelu", layer_norm_eps=0.02, num_hidden_layers=1),
            # 17 pixels hold two patches of 7; the rest of the image is not seen.
            vision=dict(hidden_act="relu", layer_norm_eps=0.05, image_size=17, patch_size=7, num_attention_heads=5),
            projection_dim=10,
        ),
        102,
        {
            "text_config": {"eos_token_id": 2, "layer_norm_eps": 1e-5},
            "vision_config": {"layer_norm_eps": 1e-5, "hidden_act": "quick_gelu"},
        },
    )


if __name__ == "__main__":
    main()
