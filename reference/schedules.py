"""Golden cases of learning-rate schedules by transformers.get_scheduler and torch.optim: goldens/schedule-*."""

import random

import torch
import transformers

import golden_case


def new_optimizer(rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=rate)


def write_case(name, kind, rate, warmup_steps, max_steps, kwargs, expected, metrics=None) -> None:
    case = {
        "kind": "schedule",
        "name": name,
        "lr_scheduler_type": kind,
        "learning_rate": rate,
        "warmup_steps": warmup_steps,
        "max_steps": max_steps,
        "lr_scheduler_kwargs": kwargs,
        "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
        "expected": expected,
        "tolerance": 1e-9,
    }
    if metrics is not None:
        case["metrics"] = metrics
    folder = golden_case.new_case("schedule", name)
    golden_case.write_json(folder / "case.json", case)
    golden_case.finish(folder)


def make_case(name: str, kind: str, rate: float, warmup_steps: int, max_steps: int, **kwargs) -> None:
    """Records the rate that each of max_steps optimizer steps uses, by transformers."""
    optimizer = new_optimizer(rate)
    scheduler = transformers.get_scheduler(
        {"wsd": "warmup_stable_decay"}.get(kind, kind),
        optimizer,
        num_warmup_steps=warmup_steps,
        num_training_steps=max_steps,
        scheduler_specific_kwargs=kwargs,
    )
    expected = []
    for _ in range(max_steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    write_case(name, kind, rate, warmup_steps, max_steps, kwargs, expected)


def make_torch_case(name, kind, rate, warmup_steps, max_steps, make_scheduler, metrics=None, **kwargs) -> None:
    """A rise from 0 over warmup_steps, then a schedule of torch whose clock begins at 0 there."""
    optimizer = new_optimizer(rate)
    expected = [rate * step / warmup_steps for step in range(warmup_steps)]
    scheduler = make_scheduler(optimizer)
    for step in range(warmup_steps, max_steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if metrics is None else [metrics[step]]))
    write_case(name, kind, rate, warmup_steps, max_steps, kwargs, expected, metrics)


def exponential(name, rate, warmup_steps, max_steps, gamma) -> None:
    make_torch_case(
        name,
        "exponential",
        rate,
        warmup_steps,
        max_steps,
        lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma),
        gamma=gamma,
    )


def cyclical(name, rate, warmup_steps, max_steps, **kwargs) -> None:
    """The bound that is left out is the learning rate."""
    bounds = {"base_lr": rate, "max_lr": rate, **kwargs}
    make_torch_case(
        name,
        "cyclical",
        rate,
        warmup_steps,
        max_steps,
        lambda optimizer: torch.optim.lr_scheduler.CyclicLR(optimizer, cycle_momentum=False, **bounds),
        **kwargs,
    )


def one_cycle(name, rate, warmup_steps, max_steps, **kwargs) -> None:
    arguments = {"max_lr": rate, "total_steps": max_steps - warmup_steps, **kwargs}
    make_torch_case(
        name,
        "one_cycle",
        rate,
        warmup_steps,
        max_steps,
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, cycle_momentum=False, **arguments),
        **kwargs,
    )


def plateau(name, rate, warmup_steps, metrics, **kwargs) -> None:
    make_torch_case(
        name,
        "reduce_lr_on_plateau",
        rate,
        warmup_steps,
        len(metrics),
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **kwargs),
        metrics=metrics,
        **kwargs,
    )


def falling_metric(seed: int, steps: int, noise: float) -> list[float]:
    """Falls quickly, then hardly, with noise."""
    generator = random.Random(seed)
    return [round(2 + 3 / (1 + 0.3 * step) + noise * generator.uniform(-1, 1), 6) for step in range(steps)]


def by_transformers() -> None:
    make_case("constant", "constant", 2e-3, 0, 40)
    make_case("constant-with-warmup", "constant_with_warmup", 2e-3, 13, 60)
    make_case("linear", "linear", 5e-4, 0, 90)
    make_case("linear-warmup", "linear", 3e-3, 11, 97)
    make_case("linear-only-warmup", "linear", 1e-2, 25, 25)
    make_case("cosine", "cosine", 1e-3, 0, 80)
    make_case("cosine-warmup", "cosine", 6e-4, 9, 103)
    make_case("cosine-cycles", "cosine", 6e-4, 5, 100, num_cycles=1.25)
    make_case("cosine-min-lr", "cosine_with_min_lr", 1e-3, 0, 90, min_lr=1e-4)
    make_case("cosine-min-lr-warmup", "cosine_with_min_lr", 1e-3, 10, 110, min_lr=1e-4)
    make_case("cosine-min-lr-rate", "cosine_with_min_lr", 4e-3, 0, 75, min_lr_rate=0.25)
    make_case("cosine-min-lr-rate-warmup", "cosine_with_min_lr", 4e-3, 7, 75, min_lr_rate=0.05)
    make_case("cosine-restarts", "cosine_with_restarts", 1e-3, 0, 60)
    make_case("cosine-restarts-three", "cosine_with_restarts", 5e-4, 8, 98, num_cycles=3)
    make_case("cosine-restarts-share", "cosine_with_restarts", 2e-3, 5, 80, num_cycles=2.5)
    make_case("polynomial", "polynomial", 1e-3, 0, 70)
    make_case("polynomial-square", "polynomial", 2e-3, 12, 90, lr_end=1e-5, power=2.0)
    make_case("polynomial-root", "polynomial", 5e-3, 6, 66, lr_end=0.0, power=0.5)
    make_case("inverse-sqrt", "inverse_sqrt", 1e-3, 0, 80)
    make_case("inverse-sqrt-warmup", "inverse_sqrt", 1e-3, 16, 120)
    make_case("inverse-sqrt-timescale", "inverse_sqrt", 3e-3, 10, 100, timescale=25)
    make_case("inverse-sqrt-short-timescale", "inverse_sqrt", 3e-3, 20, 100, timescale=4)
    make_case("wsd", "wsd", 1e-3, 10, 80, num_decay_steps=20)
    make_case("wsd-linear", "wsd", 2e-3, 0, 60, num_decay_steps=25, decay_type="linear", min_lr_ratio=0.1)
    make_case(
        "wsd-root", "wsd", 5e-4, 15, 90, num_decay_steps=30, warmup_type="1-sqrt", decay_type="1-sqrt", min_lr_ratio=0.05
    )
    make_case("wsd-cosine-rise", "wsd", 5e-4, 20, 90, num_decay_steps=40, warmup_type="cosine", num_cycles=1.5)
    make_case(
        "warmup-stable-decay", "warmup_stable_decay", 1e-3, 6, 70, num_decay_steps=24, num_stable_steps=20, min_lr_ratio=0.2
    )


def by_torch() -> None:
    exponential("exponential", 1e-3, 0, 80, 0.95)
    exponential("exponential-warmup", 4e-3, 12, 90, 0.985)
    exponential("exponential-constant", 4e-3, 5, 40, 1.0)
    cyclical("cyclical-triangular", 1e-4, 0, 90, base_lr=1e-4, max_lr=1e-3, step_size_up=15)
    cyclical("cyclical-defaults", 1e-4, 4, 60, max_lr=1e-3)
    cyclical("cyclical-triangular2", 2e-3, 7, 110, base_lr=2e-4, step_size_up=8, step_size_down=14, mode="triangular2")
    cyclical(
        "cyclical-exp-range", 3e-4, 5, 120, max_lr=3e-3, step_size_up=20, step_size_down=7, mode="exp_range", gamma=0.98
    )
    cyclical("cyclical-three-rates", 5e-3, 10, 70, base_lr=1e-4, max_lr=2e-3, step_size_up=6, mode="exp_range", gamma=0.9)
    one_cycle("one-cycle", 1e-2, 0, 100)
    one_cycle("one-cycle-warmup", 1e-3, 9, 99, pct_start=0.2, anneal_strategy="linear", div_factor=10.0)
    one_cycle("one-cycle-three-phase", 4e-3, 0, 80, three_phase=True, final_div_factor=100.0)
    one_cycle("one-cycle-three-phase-linear", 1e-3, 5, 65, max_lr=6e-3, pct_start=0.45, three_phase=True, anneal_strategy="linear")
    one_cycle("one-cycle-no-rise", 2e-3, 0, 50, pct_start=0.0)
    one_cycle("one-cycle-long-rise", 2e-3, 3, 50, pct_start=0.95, div_factor=4.0)
    plateau("plateau", 1e-2, 0, falling_metric(1, 90, 0.01))
    plateau("plateau-warmup", 1e-2, 9, falling_metric(2, 100, 0.05), factor=0.5, patience=2, threshold=0.01)
    plateau(
        "plateau-abs", 1e-2, 0, falling_metric(3, 90, 0.02), factor=0.3, patience=3, threshold=0.02, threshold_mode="abs", cooldown=4
    )
    plateau(
        "plateau-max",
        2e-2,
        4,
        [1 - 0.1 * metric for metric in falling_metric(4, 80, 0.1)],
        mode="max",
        factor=0.6,
        patience=1,
        min_lr=1e-3,
        cooldown=2,
    )
    plateau(
        "plateau-max-abs", 2e-2, 0, [-m for m in falling_metric(5, 80, 0.1)], mode="max", threshold_mode="abs", factor=0.7, patience=0
    )
    plateau("plateau-floor", 1e-3, 3, falling_metric(6, 80, 0.3), factor=0.2, patience=0, min_lr=3e-5, eps=2e-5)


def main() -> None:
    by_transformers()
    by_torch()


if __name__ == "__main__":
    main()
