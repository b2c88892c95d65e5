"""Golden cases of optimizers that work element by element, and of LAMB: goldens/optimizer-*.

SGD, Adam, AdamW and Adagrad are torch's. Lion, Adan and LAMB have no canonical code there: here they are their papers'
formulas in float64, with the names and the order of GOLDENS' `optim_args`.
"""

import numpy as np
import torch

from optimizer_case import formula_stepper, make_case, torch_stepper


def config_of(learning_rate: float, weight_decay: float = 0.0, optim_args: dict | None = None, **others) -> dict:
    """A case's `config`: a decay of zero and empty arguments are left out."""
    config = {"learning_rate": learning_rate, **others}
    if weight_decay:
        config["weight_decay"] = weight_decay
    if optim_args:
        config["optim_args"] = optim_args
    return config


# --- torch's ---


def from_torch(name: str, config: dict, seed: int, optimizer_class, **arguments) -> None:
    """`arguments` are torch's names."""
    make_case(
        name,
        config,
        seed,
        torch_stepper(lambda parameters: [optimizer_class(parameters, foreach=False, **arguments)]),
        libraries={"torch": torch.__version__},
    )


def sgd(name: str, seed: int, learning_rate: float, weight_decay: float = 0.0, **optim_args) -> None:
    config = config_of(learning_rate, weight_decay, optim_args)
    from_torch(f"sgd-{name}", config, seed, torch.optim.SGD, lr=learning_rate, weight_decay=weight_decay, **optim_args)


def adam(name: str, seed: int, learning_rate: float, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0) -> None:
    """`name` begins with adam- or adamw-."""
    from_torch(
        name,
        config_of(learning_rate, weight_decay, adam_beta1=beta1, adam_beta2=beta2, adam_epsilon=eps),
        seed,
        torch.optim.AdamW if name.startswith("adamw-") else torch.optim.Adam,
        lr=learning_rate,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
    )


def adagrad(name: str, seed: int, learning_rate: float, eps: float, weight_decay: float = 0.0, **optim_args) -> None:
    config = config_of(learning_rate, weight_decay, optim_args, adam_epsilon=eps)
    arguments = {"lr": learning_rate, "eps": eps, "weight_decay": weight_decay, **optim_args}
    from_torch(f"adagrad-{name}", config, seed, torch.optim.Adagrad, **arguments)


# --- formulas ---


def lion(name: str, seed: int, learning_rate: float, beta1=0.9, beta2=0.99, weight_decay: float = 0.0) -> None:
    """Chen et al. 2023, algorithm 2; the decay is applied first."""

    def one_parameter(shape):
        m = np.zeros(shape)

        def step(p, g, t):
            nonlocal m
            p = p * (1 - learning_rate * weight_decay)
            p = p - learning_rate * np.sign(beta1 * m + (1 - beta1) * g)
            m = beta2 * m + (1 - beta2) * g
            return p

        return step

    config = config_of(learning_rate, weight_decay, adam_beta1=beta1, adam_beta2=beta2)
    make_case(f"lion-{name}", config, seed, formula_stepper(one_parameter))


def adan(
    name: str,
    seed: int,
    learning_rate: float,
    betas: tuple | None = None,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    restart: int = 0,
) -> None:
    """Xie et al. 2022, algorithm 1, where a restart begins at the first step again, with the authors' bias correction."""
    beta1, beta2, beta3 = betas or (0.98, 0.92, 0.99)

    def one_parameter(shape):
        m, v, n = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        before = np.zeros(shape)

        def step(p, g, t):
            nonlocal m, v, n, before
            if restart:
                t = (t - 1) % restart + 1
            if t == 1:
                m, v, n = np.zeros(shape), np.zeros(shape), np.zeros(shape)
            d = np.zeros(shape) if t == 1 else g - before
            before = g
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * d
            n = beta3 * n + (1 - beta3) * (g + beta2 * d) ** 2
            m_hat, v_hat, n_hat = m / (1 - beta1**t), v / (1 - beta2**t), n / (1 - beta3**t)
            p = p - learning_rate * (m_hat + beta2 * v_hat) / (np.sqrt(n_hat) + eps)
            return p / (1 + learning_rate * weight_decay)

        return step

    optim_args = {} if betas is None else {"beta1": beta1, "beta2": beta2, "beta3": beta3}
    if restart:
        optim_args["restart"] = restart
    config = config_of(learning_rate, weight_decay, optim_args, adam_epsilon=eps)
    make_case(f"adan-{name}", config, seed, formula_stepper(one_parameter))


def lamb(
    name: str,
    seed: int,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    **optim_args,
) -> None:
    """You et al. 2019, algorithm 2, the scaling function being the identity up to `max_trust_ratio`."""
    corrected = optim_args.get("bias_correction", True)
    largest = optim_args.get("max_trust_ratio", np.inf)

    def one_parameter(shape):
        m, v = np.zeros(shape), np.zeros(shape)

        def step(p, g, t):
            nonlocal m, v
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            m_hat, v_hat = (m / (1 - beta1**t), v / (1 - beta2**t)) if corrected else (m, v)
            u = m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p
            weight_norm, norm = np.linalg.norm(p), np.linalg.norm(u)
            ratio = weight_norm / norm if weight_norm > 0 and norm > 0 else 1.0
            return p - learning_rate * min(ratio, largest) * u

        return step

    config = config_of(
        learning_rate, weight_decay, optim_args, adam_beta1=beta1, adam_beta2=beta2, adam_epsilon=eps
    )
    make_case(f"lamb-{name}", config, seed, formula_stepper(one_parameter))


def main() -> None:
    sgd("plain", 31, 0.05)
    sgd("weight-decay", 32, 0.05, 0.1)
    sgd("momentum", 33, 0.03, momentum=0.9)
    sgd("dampening", 34, 0.05, 0.02, momentum=0.8, dampening=0.3)
    sgd("nesterov", 35, 0.02, 0.05, momentum=0.95, nesterov=True)
    adam("adam-plain", 36, 1e-2)
    adam("adam-weight-decay", 37, 3e-3, 0.8, 0.95, 1e-6, 0.1)
    adam("adam-large-epsilon", 38, 2e-2, 0.9, 0.99, 1e-2)
    adam("adamw-plain", 39, 1e-3)
    adam("adamw-weight-decay", 40, 5e-3, 0.9, 0.95, 1e-8, 0.1)
    adam("adamw-strong-decay", 41, 2e-2, 0.85, 0.9, 1e-5, 0.7)
    adam("adamw-no-momentum", 42, 4e-3, 0.0, 0.99, 1e-7, 0.01)

    adagrad("plain", 51, 0.1, 1e-8)
    adagrad("rate-decay", 52, 0.2, 1e-10, lr_decay=0.05)
    adagrad("initial-value", 53, 0.05, 1e-6, 0.1, initial_accumulator_value=0.5)
    adagrad("all", 54, 0.3, 1e-3, 0.02, lr_decay=0.3, initial_accumulator_value=0.01)

    lion("plain", 61, 1e-3)
    lion("weight-decay", 62, 5e-3, 0.9, 0.99, 0.5)
    lion("other-betas", 63, 2e-3, 0.95, 0.98, 0.1)
    lion("no-interpolation", 64, 1e-2, 0.0, 0.9)

    adan("plain", 71, 1e-3)
    adan("weight-decay", 72, 1e-2, None, 1e-8, 0.1)
    adan("other-betas", 73, 5e-3, (0.9, 0.8, 0.95), 1e-6, 0.3)
    adan("restart", 74, 5e-3, None, 1e-8, 0.02, 7)
    adan("frequent-restart", 75, 2e-3, (0.95, 0.9, 0.999), 1e-4, 0.0, 2)
    adan("no-memory", 76, 5e-3, (0.0, 0.0, 0.0), 1e-2)

    lamb("plain", 81, 1e-2)
    lamb("weight-decay", 82, 5e-3, 0.9, 0.99, 1e-8, 0.1)
    lamb("uncorrected", 83, 1e-2, 0.8, 0.95, 1e-6, 0.05, bias_correction=False)
    lamb("capped", 84, 2e-2, 0.9, 0.999, 1e-6, 0.01, max_trust_ratio=0.8)
    lamb("all", 85, 1e-2, 0.0, 0.9, 1e-3, 0.3, bias_correction=False, max_trust_ratio=1.5)


if __name__ == "__main__":
    main()
