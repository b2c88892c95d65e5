"""Golden cases of learning-rate schedules by transformers.get_scheduler: goldens/schedule-*."""

import torch
import transformers

import golden_case


def make_case(name: str, kind: str, rate: float, warmup_steps: int, max_steps: int, **kwargs) -> None:
    """Records the rate that each of max_steps optimizer steps uses."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = transformers.get_scheduler(
        kind,
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
    folder = golden_case.new_case("schedule", name)
    golden_case.write_json(
        folder / "case.json",
        {
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
        },
    )
    golden_case.finish(folder)


def main() -> None:
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


if __name__ == "__main__":
    main()
