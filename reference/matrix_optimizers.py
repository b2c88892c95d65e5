"""Golden cases of optimizers that treat a parameter as a matrix: goldens/optimizer-*.

Adafactor is transformers', Muon torch's. Shampoo, SOAP and GaLore have no canonical code in those libraries: here they
are their papers' formulas in float64, written to be read.
"""

import math

import numpy as np
import torch
import transformers.optimization

from optimizer_case import formula_stepper, make_case, torch_stepper

SHAMPOO_TOLERANCE = 1e-3
SHAPES = [(1,), (7,), (6, 5), (9, 24), (3, 4, 2), (2, 3, 2, 2)]
# No dimension is more than one longer than all others together: the first gradient then settles every eigenvector.
EIGEN_SHAPES = [(1,), (7,), (6, 5), (10, 11), (3, 4, 2), (2, 3, 2, 2)]


# --- Adafactor ---


def adafactor(name: str, seed: int, learning_rate: float | None = None, weight_decay: float = 0.0, **optim_args):
    config = {} if learning_rate is None else {"learning_rate": learning_rate}
    if weight_decay:
        config["weight_decay"] = weight_decay
    if optim_args:
        config["optim_args"] = {k: list(v) if isinstance(v, tuple) else v for k, v in optim_args.items()}
    make_case(
        f"adafactor-{name}",
        config,
        seed,
        torch_stepper(
            lambda parameters: [
                transformers.optimization.Adafactor(
                    parameters, lr=learning_rate, weight_decay=weight_decay, **optim_args
                )
            ]
        ),
        shapes=SHAPES,
        libraries={"torch": torch.__version__, "transformers": transformers.__version__},
    )


# --- Muon ---


class FlattenedMuon:
    """torch.optim.Muon over matrices cut from each parameter: three dimensions are a stack of matrices, more are
    flattened behind the first."""

    def __init__(self, parameters: list[torch.nn.Parameter], **arguments):
        self.parameters = parameters
        self.matrices = []
        for p in parameters:
            stack = p.data if p.dim() == 3 else p.data.reshape(1, p.shape[0], -1)
            self.matrices.append([torch.nn.Parameter(matrix) for matrix in stack])
        self.muon = torch.optim.Muon([m for stack in self.matrices for m in stack], **arguments)

    def step(self):
        for p, stack in zip(self.parameters, self.matrices, strict=True):
            for matrix, grad in zip(stack, p.grad.reshape(len(stack), *stack[0].shape), strict=True):
                matrix.grad = grad
        self.muon.step()


def fp32_newton_schulz(grad, ns_coefficients, ns_steps, eps):
    """torch's iteration without its rounding to bf16."""
    a, b, c = ns_coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(ns_steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


def muon(
    name: str,
    seed: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    adamw_factor: float | None = None,
    betas=(0.9, 0.999),
    epsilon=1e-8,
    fp32: bool = True,
    **arguments,
):
    config = {"learning_rate": learning_rate, "adam_beta1": betas[0], "adam_beta2": betas[1], "adam_epsilon": epsilon}
    if weight_decay:
        config["weight_decay"] = weight_decay
    optim_args = {k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()}
    if adamw_factor is None:
        factor = 1.0 if arguments.get("adjust_lr_fn") == "match_rms_adamw" else 0.1
    else:
        factor = optim_args["adamw_learning_rate_factor"] = adamw_factor
    if fp32:
        optim_args["ns_dtype"] = "fp32"
    config["optim_args"] = optim_args

    def optimizers(parameters):
        return [
            FlattenedMuon([p for p in parameters if p.dim() >= 2], lr=learning_rate, weight_decay=weight_decay, **arguments),
            torch.optim.AdamW(
                [p for p in parameters if p.dim() < 2],
                lr=learning_rate * factor,
                betas=betas,
                eps=epsilon,
                weight_decay=weight_decay,
                foreach=False,
            ),
        ]

    module = torch.optim._muon
    original = module._zeropower_via_newtonschulz
    if fp32:
        module._zeropower_via_newtonschulz = fp32_newton_schulz
    try:
        make_case(f"muon-{name}", config, seed, torch_stepper(optimizers), SHAPES, libraries={"torch": torch.__version__})
    finally:
        module._zeropower_via_newtonschulz = original


# --- Shampoo ---


def power(matrix: np.ndarray, exponent: float, floor: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, floor) ** exponent) @ vectors.T


def along(matrix: np.ndarray, tensor: np.ndarray, dim: int) -> np.ndarray:
    """The product of a matrix with every vector of the tensor along a dimension."""
    return np.moveaxis(np.tensordot(matrix, tensor, axes=(1, dim)), 0, dim)


def gram(tensor: np.ndarray, dim: int) -> np.ndarray:
    """The unfolding along a dimension times its transpose."""
    unfolded = np.moveaxis(tensor, dim, 0).reshape(tensor.shape[dim], -1)
    return unfolded @ unfolded.T


class AdamDirection:
    """Adam's step for a rate of 1."""

    def __init__(self, shape, beta1, beta2, epsilon):
        self.m, self.v = np.zeros(shape), np.zeros(shape)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def __call__(self, g, t):
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        return self.m / (1 - self.beta1**t) / (np.sqrt(self.v / (1 - self.beta2**t)) + self.epsilon)


def block_slices(shape, size: int):
    """Index tuples of the blocks; size 0 is one block."""
    ranges = [[slice(i, min(i + (size or n), n)) for i in range(0, n, size or n)] for n in shape]
    return [tuple(ranges[d][i[d]] for d in range(len(shape))) for i in np.ndindex(*map(len, ranges))]


def shampoo(
    name: str,
    seed: int,
    learning_rate: float,
    epsilon: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    grafting: str = "none",
    refresh_steps: int = 1,
    block_size: int = 0,
    adam: dict | None = None,
):
    config = {"learning_rate": learning_rate}
    if weight_decay:
        config["weight_decay"] = weight_decay
    config.update({f"adam_{key}": value for key, value in (adam or {}).items()})
    config["optim_args"] = {
        "epsilon": epsilon,
        "momentum": momentum,
        "grafting": grafting,
        "refresh_steps": refresh_steps,
        "block_size": block_size,
    }

    def one_parameter(shape):
        blocks = block_slices(shape, block_size)
        statistics = [[epsilon * np.eye(s.stop - s.start) for s in block] for block in blocks]
        roots = [[None] * len(shape) for _ in blocks]
        graft = AdamDirection(shape, **{"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, **(adam or {})})
        velocity = np.zeros(shape)

        def step(p, g, t):
            nonlocal velocity
            direction = np.empty(shape)
            for b, block in enumerate(blocks):
                u = g[block]
                for dim in range(len(shape)):
                    statistics[b][dim] = statistics[b][dim] + gram(g[block], dim)
                    if (t - 1) % refresh_steps == 0:
                        roots[b][dim] = power(statistics[b][dim], -1 / (2 * len(shape)), epsilon)
                    u = along(roots[b][dim], u, dim)
                direction[block] = u
            adam_step = graft(g, t)
            norm = np.linalg.norm(direction)
            if grafting != "none" and norm > 0:
                direction = direction * np.linalg.norm(g if grafting == "sgd" else adam_step) / norm
            velocity = momentum * velocity + direction
            return p * (1 - learning_rate * weight_decay) - learning_rate * velocity

        return step

    make_case(f"shampoo-{name}", config, seed, formula_stepper(one_parameter), SHAPES, SHAMPOO_TOLERANCE)


# --- SOAP ---


def soap(
    name: str,
    seed: int,
    learning_rate: float,
    beta1=0.95,
    beta2=0.95,
    epsilon=1e-8,
    weight_decay: float = 0.0,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10000,
    shampoo_beta: float | None = None,
    shapes=EIGEN_SHAPES,
):
    """Algorithm 3 of the paper for any number of dimensions, vectors by Adam; the first gradient only initialises."""
    config = {"learning_rate": learning_rate, "adam_beta1": beta1, "adam_beta2": beta2, "adam_epsilon": epsilon}
    if weight_decay:
        config["weight_decay"] = weight_decay
    config["optim_args"] = {
        "precondition_frequency": precondition_frequency,
        "max_precond_dim": max_precond_dim,
    }
    if shampoo_beta is not None:
        config["optim_args"]["shampoo_beta"] = shampoo_beta
    keep = beta2 if shampoo_beta is None else shampoo_beta

    def one_parameter(shape):
        dims = [d for d, n in enumerate(shape) if len(shape) > 1 and n <= max_precond_dim]
        statistics = {d: np.zeros((shape[d], shape[d])) for d in dims}
        basis = {}
        m, v = np.zeros(shape), np.zeros(shape)

        def rotate(x, back=False):
            for d in dims:
                x = along(basis[d] if back else basis[d].T, x, d)
            return x

        def step(p, g, t):
            nonlocal m, v
            if t == 1:
                for d in dims:
                    statistics[d] = (1 - keep) * gram(g, d)
                    basis[d] = np.linalg.eigh(statistics[d])[1][:, ::-1]
                return p
            t -= 1
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * rotate(g) ** 2
            update = rotate(m) / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
            p = p * (1 - learning_rate * weight_decay) - learning_rate * rotate(update, back=True)
            for d in dims:
                statistics[d] = keep * statistics[d] + (1 - keep) * gram(g, d)
                if t % precondition_frequency == 0:
                    product = statistics[d] @ basis[d]
                    order = np.argsort(-np.sum(basis[d] * product, axis=0), kind="stable")
                    v = np.take(v, order, axis=d)
                    basis[d] = np.linalg.qr(product[:, order])[0]
            return p

        return step

    make_case(f"soap-{name}", config, seed, formula_stepper(one_parameter), shapes=shapes)


# --- GaLore ---


def galore(
    name: str,
    seed: int,
    learning_rate: float,
    rank: int,
    update_proj_gap: int,
    scale: float,
    proj_type: str = "std",
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay: float = 0.0,
):
    """Algorithm 2 of the paper with AdamW; a singular vector's largest entry is made positive."""
    config = {"learning_rate": learning_rate, "adam_beta1": beta1, "adam_beta2": beta2, "adam_epsilon": epsilon}
    if weight_decay:
        config["weight_decay"] = weight_decay
    config["optim_args"] = {
        "rank": rank,
        "update_proj_gap": update_proj_gap,
        "scale": scale,
        "proj_type": proj_type,
    }

    def matrix_rule(m, n):
        right = {"std": m >= n, "reverse_std": m < n, "left": False, "right": True}[proj_type]
        projection = None
        adam = AdamDirection((m, rank) if right else (rank, n), beta1, beta2, epsilon)

        def update(g, t):
            nonlocal projection
            if (t - 1) % update_proj_gap == 0:
                u, _, vt = np.linalg.svd(g, full_matrices=False)
                vectors = vt[:rank].T if right else u[:, :rank]
                largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
                projection = vectors * np.sign(largest)
            if right:
                return scale * adam(g @ projection, t) @ projection.T
            return scale * projection @ adam(projection.T @ g, t)

        return update

    def one_parameter(shape):
        count, m, n = (shape if len(shape) == 3 else (1, shape[0], math.prod(shape[1:]))) if len(shape) > 1 else (1, 1, 1)
        if min(m, n) > rank:
            updates = [matrix_rule(m, n) for _ in range(count)]
        else:
            updates = None
            plain = AdamDirection(shape, beta1, beta2, epsilon)

        def step(p, g, t):
            if updates:
                u = np.stack([f(x, t) for f, x in zip(updates, g.reshape(count, m, n), strict=True)]).reshape(shape)
            else:
                u = plain(g, t)
            return p * (1 - learning_rate * weight_decay) - learning_rate * u

        return step

    make_case(f"galore_adamw-{name}", config, seed, formula_stepper(one_parameter), SHAPES)


def main() -> None:
    adafactor("relative", 101)
    adafactor("relative-warmup", 102, warmup_init=True, beta1=0.9, weight_decay=0.1)
    adafactor("rate", 103, 1e-2, scale_parameter=False, relative_step=False)
    adafactor("rate-scaled", 104, 2e-2, 0.05, relative_step=False, clip_threshold=0.5, decay_rate=-0.5)
    adafactor("first-moment", 105, 5e-3, scale_parameter=False, relative_step=False, beta1=0.8, eps=(1e-12, 1e-2))
    adafactor("relative-unscaled", 106, scale_parameter=False, clip_threshold=2.0, eps=(1e-8, 0.5))

    muon("default", 111, 0.02)
    muon("bf16", 112, 1e-3, fp32=False)
    muon("decay", 113, 0.01, 0.1, adamw_factor=0.05, betas=(0.8, 0.95), epsilon=1e-6, momentum=0.9, nesterov=False)
    muon("match-rms", 114, 5e-3, 0.05, adjust_lr_fn="match_rms_adamw", ns_steps=3)
    muon("spectral", 115, 5e-3, adjust_lr_fn="spectral_unclamped", ns_coefficients=(2.0, -1.5, 0.5), ns_steps=6, eps=1e-3)

    shampoo("plain", 121, 0.05, 1e-4)
    shampoo("momentum", 122, 0.02, 1e-6, 0.1, momentum=0.9)
    shampoo("sgd-graft", 123, 0.02, 1e-8, grafting="sgd", refresh_steps=3)
    shampoo("adam-graft", 124, 0.01, 1e-6, 0.05, 0.5, "adam", adam={"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6})
    shampoo("blocks", 125, 0.05, 1e-2, block_size=4)
    shampoo("blocks-graft", 126, 0.01, 1e-3, momentum=0.9, grafting="adam", refresh_steps=4, block_size=5)
    shampoo("stale", 127, 0.02, 1e-6, refresh_steps=7)

    soap("default", 131, 3e-3)
    soap("frequent", 132, 1e-2, 0.9, 0.99, 1e-6, 0.1, precondition_frequency=1, shampoo_beta=0.8)
    soap("one-sided", 133, 5e-3, precondition_frequency=3, max_precond_dim=9, shapes=[(7,), (9, 24), (24, 9), (3, 11, 4)])
    soap("no-rotation", 134, 5e-3, 0.9, 0.999, max_precond_dim=1)

    galore("default", 141, 1e-2, 2, 200, 0.25)
    galore("refreshed", 142, 5e-3, 3, 4, 1.0, weight_decay=0.1)
    galore("reverse", 143, 5e-3, 1, 5, 0.5, "reverse_std", 0.8, 0.95, 1e-6)
    galore("left", 144, 5e-3, 2, 8, 0.25, "left", weight_decay=0.05)
    galore("right", 145, 5e-3, 2, 6, 2.0, "right")


if __name__ == "__main__":
    main()
