"""What the scripts of optimizers share: the gradients that a case records, and the case itself."""

import numpy as np
import torch

import golden_case

STEPS = 26
TOLERANCE = 2e-5
SHAPES = [(1,), (7,), (6, 5), (3, 4, 2), (2, 3, 2, 2)]


def draw_gradients(generator: torch.Generator, shapes: list[tuple]) -> list[list[torch.Tensor]]:
    """Gradients with a drift, some steps a thousand times smaller and one all-zero step."""
    drift = [0.4 * torch.randn(shape, generator=generator) for shape in shapes]
    steps = []
    for step in range(STEPS):
        scale = 0.0 if step == 9 else 1e-3 if step in (4, 17, 18) else 1.0
        steps.append([scale * (d + 0.6 * torch.randn(d.shape, generator=generator)) for d in drift])
    return steps


def make_case(
    name: str, config: dict, seed: int, make_stepper, shapes=SHAPES, tolerance=TOLERANCE, libraries=None
) -> None:
    """Writes a case. `make_stepper(start)` gives a function from a step's gradients to the parameters after it."""
    generator = torch.Generator().manual_seed(seed)
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    stepper = make_stepper([tensor.clone() for tensor in start])
    tensors = {f"param.{i}": tensor for i, tensor in enumerate(start)}
    for step, grads in enumerate(draw_gradients(generator, shapes)):
        for i, parameter in enumerate(stepper([grad.clone() for grad in grads])):
            if not np.isfinite(np.asarray(parameter)).all():
                raise SystemExit(f"{name}: parameter {i} is not finite after step {step}")
            tensors[f"grad.{step}.{i}"] = grads[i]
            tensors[f"expected.{step}.{i}"] = torch.as_tensor(parameter).detach().to(torch.float32).clone()
    folder = golden_case.new_case("optimizer", name)
    golden_case.write_tensors(folder / "golden.safetensors", tensors)
    golden_case.write_json(
        folder / "case.json",
        {
            "kind": "optimizer",
            "name": name,
            "optim": name.partition("-")[0],
            "config": config,
            "steps": STEPS,
            "made_with": libraries or {"numpy": np.__version__},
            "tolerance": tolerance,
        },
    )
    golden_case.finish(folder)


def torch_stepper(optimizers_of):
    """Steps torch optimizers that `optimizers_of(parameters)` makes."""

    def make(start: list[torch.Tensor]):
        parameters = [torch.nn.Parameter(tensor) for tensor in start]
        optimizers = optimizers_of(parameters)

        def step(grads):
            for parameter, grad in zip(parameters, grads, strict=True):
                parameter.grad = grad
            for optimizer in optimizers:
                optimizer.step()
            return [parameter.detach() for parameter in parameters]

        return step

    return make


def formula_stepper(one_parameter):
    """Steps each parameter on its own, in float64: `one_parameter(shape)` gives f(p, g, t) -> p, t from 1."""

    def make(start: list[torch.Tensor]):
        parameters = [tensor.double().numpy() for tensor in start]
        rules = [one_parameter(p.shape) for p in parameters]
        count = 0

        def step(grads):
            nonlocal count
            count += 1
            for i, grad in enumerate(grads):
                parameters[i] = rules[i](parameters[i], grad.double().numpy(), count)
            return parameters

        return step

    return make
