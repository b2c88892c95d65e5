"""Golden cases of VQ-VAE: goldens/model-vqvae-*, by torch's own convolutions and autograd.

The straight-through estimator and the three terms of the loss are written as in equation 3 of arXiv 1711.00937, each a mean
over values. A case is refused when a vector is nearly as far from a second code, which another rounding could choose, or when few codes are
used.
"""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

import causal_lm
import golden_case

IMAGES = 3
# The nearest code leads by far more than engines differ, on squared distances around 1.
LEAD = 1e-4
CODES_USED = 4


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(F.relu(self.inner(F.relu(x))))


class VqVae(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        width, dim, patch = config["hidden_size"], config["embedding_dim"], config["patch_size"]
        channels, layers = config["num_channels"], config["num_hidden_layers"]
        self.encoder = nn.ModuleDict(
            {
                "patches": nn.Conv2d(channels, width, patch, stride=patch),
                "blocks": nn.ModuleList(Block(width) for _ in range(layers)),
                "output": nn.Conv2d(width, dim, 1),
            }
        )
        self.quantizer = nn.Module()
        self.quantizer.codebook = nn.Parameter(torch.empty(config["num_embeddings"], dim))
        self.decoder = nn.ModuleDict(
            {
                "input": nn.Conv2d(dim, width, 3, padding=1),
                "blocks": nn.ModuleList(Block(width) for _ in range(layers)),
                "patches": nn.Conv2d(width, channels * patch * patch, 1),
            }
        )
        self.lead = float("inf")

    def forward(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        h = self.encoder["patches"](pixel_values)
        for block in self.encoder["blocks"]:
            h = block(h)
        z = self.encoder["output"](F.relu(h)).permute(0, 2, 3, 1)
        codebook = self.quantizer.codebook
        if self.config["normalize_codes"]:
            z, codebook = F.normalize(z, dim=-1), F.normalize(codebook, dim=-1)
        distances = (z.unsqueeze(-2) - codebook).square().sum(-1)
        two = distances.topk(2, largest=False).values
        self.lead = min(self.lead, (two[..., 1] - two[..., 0]).min().item())
        codes = distances.argmin(-1)
        e = codebook[codes]
        straight_through = z + (e - z).detach()
        h = self.decoder["input"](straight_through.permute(0, 3, 1, 2))
        for block in self.decoder["blocks"]:
            h = block(h)
        made = F.pixel_shuffle(self.decoder["patches"](F.relu(h)), self.config["patch_size"])
        loss = (
            F.mse_loss(made, pixel_values)
            + F.mse_loss(e, z.detach())
            + self.config["commitment_cost"] * F.mse_loss(z, e.detach())
        )
        return SimpleNamespace(loss=loss, reconstruction=made, codes=codes)


def make_case(name: str, seed: int, **settings) -> None:
    config = {
        "architectures": ["VqVaeModel"],
        "model_type": "vqvae",
        "image_size": 12,
        "num_channels": 3,
        "patch_size": 4,
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_embeddings": 10,
        "embedding_dim": 6,
        "commitment_cost": 0.25,
        "normalize_codes": True,
        **settings,
    }
    for seed in range(seed, seed + 50):
        generator = torch.Generator().manual_seed(seed)
        model = VqVae(config)
        with torch.no_grad():
            for parameter in model.parameters():
                scale = parameter[0].numel() ** -0.5 if parameter.dim() == 4 else 0.5
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
        size = config["image_size"]
        pixels = torch.randn((IMAGES, config["num_channels"], size, size), generator=generator)
        state = {key: value.clone() for key, value in model.state_dict().items()}
        used = model(pixels).codes.unique().numel()
        losses = causal_lm.adamw_losses(model, {"pixel_values": pixels})
        if model.lead >= LEAD and used >= CODES_USED:
            break
    else:
        raise SystemExit(f"{name}: no seed of 50 whose codes lead clearly and are {CODES_USED} or more")
    model.load_state_dict(state)
    model.zero_grad()
    output = model(pixels)
    output.loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters()}
    causal_lm.check_gradients(name, grads)
    folder = golden_case.new_case("model", name)
    golden_case.write_json(folder / "config.json", config)
    golden_case.write_tensors(folder / "model.safetensors", state)
    golden = {
        "pixel_values": pixels,
        "reconstruction": output.reconstruction,
        "codes": output.codes.flatten(1),
        "loss": output.loss.reshape(1),
        "adamw_losses": losses,
    }
    golden_case.write_tensors(folder / "golden.safetensors", golden)
    golden_case.write_tensors(folder / "golden_grads.safetensors", grads)
    golden_case.write_json(
        folder / "case.json",
        {
            "kind": "model",
            "name": name,
            "architecture": "VqVaeModel",
            "made_with": {"torch": torch.__version__},
            "tolerance": causal_lm.TOLERANCE,
        },
    )
    golden_case.finish(folder)


def main() -> None:
    make_case("vqvae-normalized", 201)
    make_case(
        "vqvae-plain",
        301,
        normalize_codes=False,
        commitment_cost=1.5,
        image_size=15,
        patch_size=5,
        num_channels=2,
        num_hidden_layers=1,
        embedding_dim=3,
        hidden_size=9,
    )


if __name__ == "__main__":
    main()
