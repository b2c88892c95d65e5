"""Golden cases of the optimizers that other packages define: goldens/optimizer-adamw_8bit-*, -adam_mini-*, -schedule_free-*.

The references are the formulas of AdamW8bit with the 8-bit data type of bitsandbytes, the Adam_mini of the paper's
authors, and schedulefree's AdamWScheduleFree. bitsandbytes itself is not run: on the processor it finds codes through a
coarse table that now and then misses the nearest by one or more, which the definition in the paper and its kernels for
accelerators do not.
"""

import adam_mini
import bitsandbytes
import schedulefree
import torch

import golden_case

STEPS = 26
TOLERANCE = 2e-5
SHAPES = [(1,), (7,), (6, 5), (3, 4, 2), (2, 3, 2, 2)]
# Tensors of more than one block of 256, whose last block is not full, and one that stays in 32 bits.
BLOCK_SHAPES = [[(300,), (13, 20), (11,)], [(2, 5, 27), (2, 3, 5, 9), (3, 3)]]


def draw(seed: int, shapes) -> tuple[list[torch.Tensor], list[list[torch.Tensor]]]:
    """Start values, and gradients with a drift, some steps much smaller and one all-zero step."""
    generator = torch.Generator().manual_seed(seed)
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    drift = [0.4 * torch.randn(shape, generator=generator) for shape in shapes]
    steps = []
    for step in range(STEPS):
        scale = 0.0 if step == 9 else 0.05 if step in (4, 17, 18) else 1.0
        steps.append([scale * (d + 0.6 * torch.randn(d.shape, generator=generator)) for d in drift])
    return start, steps


def make_case(name, optim, config, seed, shapes, made_with, make_optimizer) -> None:
    """Feeds the same gradients to the reference that the case records."""
    start, gradients = draw(seed, shapes)
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    optimizer, views = make_optimizer(parameters)
    tensors = {f"param.{i}": tensor for i, tensor in enumerate(start)}
    for step, grads in enumerate(gradients):
        for i, (view, grad) in enumerate(zip(views, grads, strict=True)):
            view.grad = grad.clone().reshape(view.shape)
            tensors[f"grad.{step}.{i}"] = grad
        optimizer.step()
        for i, (view, tensor) in enumerate(zip(views, start, strict=True)):
            tensors[f"expected.{step}.{i}"] = view.detach().clone().reshape(tensor.shape)
    folder = golden_case.new_case("optimizer", name)
    golden_case.write_tensors(folder / "golden.safetensors", tensors)
    golden_case.write_json(
        folder / "case.json",
        {
            "kind": "optimizer",
            "name": name,
            "optim": optim,
            "config": config,
            "steps": STEPS,
            "made_with": {"torch": torch.__version__, **made_with},
            "tolerance": TOLERANCE,
        },
    )
    golden_case.finish(folder)


def settings(rate, beta1, beta2, eps, weight_decay, optim_args) -> dict:
    config = {"learning_rate": rate, "adam_beta1": beta1, "adam_beta2": beta2, "adam_epsilon": eps}
    if weight_decay:
        config["weight_decay"] = weight_decay
    if optim_args:
        config["optim_args"] = optim_args
    return config


class BlockwiseAdamW:
    """AdamW whose moments are stored as codes of shares of the largest magnitude among 256 elements in a row."""

    block = 256
    maps = (
        bitsandbytes.functional.create_dynamic_map(signed=True),
        bitsandbytes.functional.create_dynamic_map(signed=False),
    )

    def __init__(self, parameters, lr, betas, eps, weight_decay, min_8bit_size):
        self.parameters = parameters
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.coded = [p.numel() >= min_8bit_size for p in parameters]
        self.moments = [[self.store(torch.zeros(p.numel()), k, c) for k in (0, 1)] for p, c in zip(parameters, self.coded)]
        self.steps = 0

    def store(self, values, k, coded):
        if not coded:
            return values
        blocks = torch.nn.functional.pad(values, (0, -len(values) % self.block)).view(-1, self.block)
        largest = blocks.abs().amax(dim=1, keepdim=True)
        shares = torch.where(largest > 0, blocks / largest, 0)
        codes = (shares.unsqueeze(-1) - self.maps[k]).abs().argmin(dim=-1)
        return codes, largest, len(values)

    def read(self, stored, k, coded):
        if not coded:
            return stored
        codes, largest, length = stored
        return (self.maps[k][codes] * largest).view(-1)[:length]

    @torch.no_grad()
    def step(self):
        self.steps += 1
        beta1, beta2 = self.betas
        for p, moments, coded in zip(self.parameters, self.moments, self.coded):
            gradient = p.grad.view(-1)
            m = beta1 * self.read(moments[0], 0, coded) + (1 - beta1) * gradient
            v = beta2 * self.read(moments[1], 1, coded) + (1 - beta2) * gradient**2
            denominator = (v / (1 - beta2**self.steps)).sqrt() + self.eps
            p.mul_(1 - self.lr * self.weight_decay)
            p.view(-1).sub_(self.lr * (m / (1 - beta1**self.steps)) / denominator)
            moments[:] = [self.store(m, 0, coded), self.store(v, 1, coded)]


def adamw_8bit(name, seed, rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, min_8bit_size=256, shapes=0) -> None:
    def make(parameters):
        return BlockwiseAdamW(parameters, rate, (beta1, beta2), eps, weight_decay, min_8bit_size), parameters

    args = {"min_8bit_size": min_8bit_size}
    config = settings(rate, beta1, beta2, eps, weight_decay, args)
    made_with = {"bitsandbytes": bitsandbytes.__version__}
    make_case(name, "adamw_8bit", config, seed, BLOCK_SHAPES[shapes], made_with, make)


def adam_mini_case(name, seed, rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0) -> None:
    def make(parameters):
        # The package tells the partition by the name: "mlp" is a block a row, which it wants in two dimensions; any
        # other is one block.
        views = [
            torch.nn.Parameter(p.detach().reshape(p.shape[0], -1)) if p.dim() > 1 else p for p in parameters
        ]
        named = [(f"mlp.{i}" if v.dim() > 1 else f"other.{i}", v) for i, v in enumerate(views)]
        optimizer = adam_mini.Adam_mini(
            named, lr=rate, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, dim=8, n_heads=2, verbose=False
        )
        return optimizer, views

    config = settings(rate, beta1, beta2, eps, weight_decay, {})
    make_case(name, "adam_mini", config, seed, SHAPES, {"adam_mini": "1.1.1"}, make)


def schedule_free(name, seed, rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, **optim_args) -> None:
    def make(parameters):
        optimizer = schedulefree.AdamWScheduleFree(
            parameters, lr=rate, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, foreach=False, **optim_args
        )
        optimizer.train()
        return optimizer, parameters

    config = settings(rate, beta1, beta2, eps, weight_decay, optim_args)
    make_case(name, "schedule_free_adamw", config, seed, SHAPES, {"schedulefree": "1.4.1"}, make)


def main() -> None:
    adamw_8bit("adamw_8bit-plain", 71, 1e-3)
    adamw_8bit("adamw_8bit-weight-decay", 72, 2e-3, 0.9, 0.95, 1e-6, 0.1, shapes=1)
    adamw_8bit("adamw_8bit-all-blocks", 73, 1e-3, 0.8, 0.99, 1e-5, 0.5, min_8bit_size=1, shapes=1)
    adam_mini_case("adam_mini-plain", 74, 1e-2)
    adam_mini_case("adam_mini-weight-decay", 75, 5e-3, 0.9, 0.95, 1e-8, 0.1)
    adam_mini_case("adam_mini-large-epsilon", 76, 2e-2, 0.8, 0.99, 1e-2, 0.3)
    schedule_free("schedule_free-plain", 77, 1e-2)
    schedule_free("schedule_free-warmup", 78, 2e-2, 0.9, 0.99, 1e-8, 0.1, warmup_steps=7)
    schedule_free("schedule_free-powers", 79, 1e-2, 0.95, 0.95, 1e-6, 0.0, warmup_steps=4, r=1.5, weight_lr_power=1.0)
    schedule_free("schedule_free-decay", 80, 5e-3, 0.8, 0.999, 1e-8, 0.7, weight_lr_power=0.0)


if __name__ == "__main__":
    main()
