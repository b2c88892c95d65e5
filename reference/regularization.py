"""What tests of losses and clipping compare with, by torch in double precision: files below src/test/resources."""

import pathlib

import torch
from safetensors.torch import save_file
from transformers.trainer_pt_utils import LabelSmoother

ROOT = pathlib.Path(__file__).resolve().parent.parent
IGNORED = -100


def softmax_losses() -> dict:
    """Hugging Face's label smoothing, and PaLM's z-loss as the mean over counted tokens, with their gradients."""
    torch.manual_seed(17)
    rows, width, classes = (3, 9), 6, 29
    hidden = torch.randn(*rows, width, dtype=torch.float64)
    weight = torch.randn(classes, width, dtype=torch.float64)
    labels = torch.randint(0, classes, rows)
    labels[0, :2] = IGNORED
    labels[2, 5] = IGNORED
    tensors = {"hidden_states": hidden, "weight": weight, "labels": labels}
    for name, smoothing, z in [("smoothing", 0.1, 0.0), ("z_loss", 0.0, 0.01), ("both", 0.3, 0.002)]:
        x = hidden.clone().requires_grad_(True)
        w = weight.clone().requires_grad_(True)
        logits = x @ w.T
        loss = LabelSmoother(epsilon=smoothing)({"logits": logits}, labels)
        counted = labels != IGNORED
        loss = loss + z * torch.logsumexp(logits, -1)[counted].square().mean()
        loss.backward()
        tensors[f"{name}.settings"] = torch.tensor([smoothing, z], dtype=torch.float64)
        tensors[f"{name}.loss"] = loss.detach().view(1)
        tensors[f"{name}.grad.hidden_states"] = x.grad
        tensors[f"{name}.grad.weight"] = w.grad
    return tensors


def unit_norms(x: torch.Tensor) -> torch.Tensor:
    """The norm of each output unit: over all dimensions but the first; of a vector the norm of the whole.

    Three dimensions are a stack of matrices.
    """
    if x.dim() <= 1:
        return x.norm()
    if x.dim() == 3:
        return x.norm(dim=2, keepdim=True)
    return x.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))


def clipping() -> dict:
    """Clipping by value as torch has it, and adaptive clipping by the formula of arXiv 2102.06171, section 4.1."""
    torch.manual_seed(23)
    tensors = {}
    limit, factor, eps = 0.7, 0.05, 1e-3
    tensors["settings"] = torch.tensor([limit, factor, eps], dtype=torch.float64)
    for i, shape in enumerate([(6, 5), (4, 3, 2, 2), (7,), (), (3, 1), (5, 4), (3, 4, 2)]):
        weight = torch.randn(shape, dtype=torch.float64)
        if i == 5:
            weight[1:3] *= 1e-5
        gradient = torch.randn(shape, dtype=torch.float64) * torch.logspace(-3, 1, 7, dtype=torch.float64)[i]
        held = torch.nn.Parameter(weight.clone())
        held.grad = gradient.clone()
        torch.nn.utils.clip_grad_value_([held], limit)
        allowed = unit_norms(weight).clamp(min=eps) * factor
        found = unit_norms(gradient)
        adaptive = torch.where(found > allowed, gradient * allowed / found, gradient)
        tensors |= {
            f"weight.{i}": weight,
            f"grad.{i}": gradient,
            f"value.{i}": held.grad,
            f"adaptive.{i}": adaptive,
        }
    return tensors


def save(tensors: dict, file: pathlib.Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in tensors.items()}, file)
    print(file.relative_to(ROOT), file.stat().st_size, "bytes")


def main() -> None:
    save(softmax_losses(), ROOT / "nn/src/test/resources/quern/nn/softmax-losses.safetensors")
    save(clipping(), ROOT / "optim/src/test/resources/quern/optim/clipping.safetensors")


if __name__ == "__main__":
    main()
