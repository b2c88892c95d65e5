"""Golden cases of optimizers by torch.optim: goldens/optimizer-*."""

import torch

import golden_case

STEPS = 26
SHAPES = [(1,), (7,), (6, 5), (3, 4, 2), (2, 3, 2, 2)]
TOLERANCE = 2e-5


def draw_gradients(generator: torch.Generator) -> list[list[torch.Tensor]]:
    """Gradients with a drift, some steps a thousand times smaller and one all-zero step."""
    drift = [0.4 * torch.randn(shape, generator=generator) for shape in SHAPES]
    steps = []
    for step in range(STEPS):
        scale = 0.0 if step == 9 else 1e-3 if step in (4, 17, 18) else 1.0
        steps.append([scale * (d + 0.6 * torch.randn(d.shape, generator=generator)) for d in drift])
    return steps


def make_case(name: str, optim: str, config: dict, optimizer_class, seed: int, **arguments) -> None:
    """Feeds the same gradients to torch's optimizer that the case records. `arguments` are torch's names."""
    generator = torch.Generator().manual_seed(seed)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES]
    gradients = draw_gradients(generator)
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    optimizer = optimizer_class(parameters, foreach=False, **arguments)
    tensors = {f"param.{i}": tensor for i, tensor in enumerate(start)}
    for step, grads in enumerate(gradients):
        for i, (parameter, grad) in enumerate(zip(parameters, grads, strict=True)):
            parameter.grad = grad.clone()
            tensors[f"grad.{step}.{i}"] = grad
        optimizer.step()
        for i, parameter in enumerate(parameters):
            tensors[f"expected.{step}.{i}"] = parameter.detach().clone()
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
            "made_with": {"torch": torch.__version__},
            "tolerance": TOLERANCE,
        },
    )
    golden_case.finish(folder)


def sgd(name: str, seed: int, learning_rate: float, weight_decay: float = 0.0, **optim_args) -> None:
    config = {"learning_rate": learning_rate}
    if weight_decay:
        config["weight_decay"] = weight_decay
    if optim_args:
        config["optim_args"] = optim_args
    make_case(name, "sgd", config, torch.optim.SGD, seed, lr=learning_rate, weight_decay=weight_decay, **optim_args)


def adam(name: str, optim: str, seed: int, learning_rate: float, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    config = {"learning_rate": learning_rate, "adam_beta1": beta1, "adam_beta2": beta2, "adam_epsilon": eps}
    if weight_decay:
        config["weight_decay"] = weight_decay
    make_case(
        name,
        optim,
        config,
        {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optim],
        seed,
        lr=learning_rate,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
    )


def main() -> None:
    sgd("sgd-plain", 31, 0.05)
    sgd("sgd-weight-decay", 32, 0.05, 0.1)
    sgd("sgd-momentum", 33, 0.03, momentum=0.9)
    sgd("sgd-dampening", 34, 0.05, 0.02, momentum=0.8, dampening=0.3)
    sgd("sgd-nesterov", 35, 0.02, 0.05, momentum=0.95, nesterov=True)
    adam("adam-plain", "adam", 36, 1e-2)
    adam("adam-weight-decay", "adam", 37, 3e-3, 0.8, 0.95, 1e-6, 0.1)
    adam("adam-large-epsilon", "adam", 38, 2e-2, 0.9, 0.99, 1e-2)
    adam("adamw-plain", "adamw", 39, 1e-3)
    adam("adamw-weight-decay", "adamw", 40, 5e-3, 0.9, 0.95, 1e-8, 0.1)
    adam("adamw-strong-decay", "adamw", 41, 2e-2, 0.85, 0.9, 1e-5, 0.7)
    adam("adamw-no-momentum", "adamw", 42, 4e-3, 0.0, 0.99, 1e-7, 0.01)


if __name__ == "__main__":
    main()
