"""Times optimizer steps of Quern and of PyTorch packages in turns, on the same parameters: bench/README's table.

    optimizers.py --quern ./quern --out folder [--only adamw,lion]

The parameters are those of a GPT-2 shaped model of 11.5 million weights (6 layers of width 384, 2,048 tokens, 256
positions), fp32, with random gradients. For each optimizer `quern bench optim --paced` and this process take a round of
steps in turns, `--rounds` times, so that a neighbour's load falls on all sides. A side's time in a round is the median
of its steps, or their mean where the work differs from step to step; a ratio is Quern's over the peer's in the same
round, by processor time with `--threads 1`, else by the clock. On a machine that others use too, processor time says
more: how long the program's threads kept processors busy for a step. Of Quern these are all of Java's threads, without
those of the JVM's compiler and collector; a third time, that of the whole process as the system counts it, has them in.
State bytes are what each side keeps between steps, weights and gradients not counted.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import bitsandbytes
import pytorch_optimizer
import schedulefree
import torch
import transformers.optimization

LAYERS, WIDTH, VOCABULARY, POSITIONS = 6, 384, 2048, 256
RATE, DECAY, BETAS = 1e-3, 0.1, (0.9, 0.95)
# Long enough for the other side's threads to leave the cores.
PAUSE = 0.05
# Seconds that the rounds of an optimizer with slow steps may take; there are at least two.
LONGEST = 90.0


class Model(torch.nn.Module):
    """Parameters under GPT-2's names, by role; there is nothing to run."""

    def __init__(self):
        super().__init__()
        self.tables, self.matrices, self.vectors = [], [], []
        self.add(self.tables, "wte_weight", VOCABULARY, WIDTH)
        self.add(self.tables, "wpe_weight", POSITIONS, WIDTH)
        for layer in range(LAYERS):
            for norm in ("ln_1", "ln_2"):
                self.norm(f"h_{layer}_{norm}")
            self.linear(f"h_{layer}_attn_c_attn", WIDTH, 3 * WIDTH)
            self.linear(f"h_{layer}_attn_c_proj", WIDTH, WIDTH)
            self.linear(f"h_{layer}_mlp_c_fc", WIDTH, 4 * WIDTH)
            self.linear(f"h_{layer}_mlp_c_proj", 4 * WIDTH, WIDTH)
        self.norm("ln_f")

    def add(self, role: list, name: str, *shape: int) -> None:
        parameter = torch.nn.Parameter(torch.randn(shape))
        parameter.grad = 0.01 * torch.randn(shape)
        self.register_parameter(name, parameter)
        role.append(parameter)

    def norm(self, name: str) -> None:
        self.add(self.vectors, f"{name}_weight", WIDTH)
        self.add(self.vectors, f"{name}_bias", WIDTH)

    def linear(self, name: str, inputs: int, outputs: int) -> None:
        self.add(self.matrices, f"{name}_weight", inputs, outputs)
        self.add(self.vectors, f"{name}_bias", outputs)

    def groups(self) -> list[dict]:
        """Tables and matrices decay, vectors do not."""
        return [
            {"params": self.tables + self.matrices, "weight_decay": DECAY},
            {"params": self.vectors, "weight_decay": 0.0},
        ]


class Together:
    """Two optimizers that step as one."""

    def __init__(self, *optimizers: torch.optim.Optimizer):
        self.optimizers = optimizers

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()


def every_form(optimizer_class, **arguments):
    """Torch's fused and foreach forms."""
    return {
        f"torch {form}": lambda model, form=form: optimizer_class(model.groups(), lr=RATE, **{form: True}, **arguments)
        for form in ("fused", "foreach")
    }


def package(name: str, optimizer_class, **arguments):
    return {name: lambda model: optimizer_class(model.groups(), lr=RATE, **arguments)}


def adamw(model: Model, parameters: list) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=RATE, betas=BETAS, weight_decay=0.0, fused=True)


def torch_muon(model: Model) -> Together:
    muon = torch.optim.Muon(model.matrices, lr=RATE, weight_decay=DECAY, momentum=0.95)
    return Together(muon, adamw(model, model.tables + model.vectors))


def package_muon(model: Model):
    groups = [
        {"params": model.matrices, "use_muon": True, "lr": RATE, "weight_decay": DECAY},
        {"params": model.tables + model.vectors, "use_muon": False, "lr": RATE, "betas": BETAS},
    ]
    return pytorch_optimizer.Muon(groups)


def package_galore(model: Model):
    projected = {"rank": 128, "update_proj_gap": 200, "scale": 0.25, "projection_type": "std"}
    groups = [
        {"params": model.matrices, "weight_decay": DECAY, **projected},
        {"params": model.tables + model.vectors, "weight_decay": 0.0},
    ]
    return pytorch_optimizer.GaLore(groups, lr=RATE, betas=BETAS)


def schedule_free(model: Model):
    optimizer = schedulefree.AdamWScheduleFree(model.groups(), lr=RATE, betas=BETAS, foreach=True)
    optimizer.train()
    return optimizer


# Each optimizer: Quern's settings, the peers, and the steps of a round where they differ from step to step.
CASES: dict[str, tuple[str, dict, int | None]] = {
    "sgd": ("{optim_args: {momentum: 0.9}}", every_form(torch.optim.SGD, momentum=0.9), None),
    "adagrad": ("", every_form(torch.optim.Adagrad), None),
    "adam": ("", every_form(torch.optim.Adam, betas=BETAS), None),
    "adamw": ("", every_form(torch.optim.AdamW, betas=BETAS), None),
    "lion": (
        "{adam_beta2: 0.99}",
        package("pytorch_optimizer foreach", pytorch_optimizer.Lion, betas=(0.9, 0.99), foreach=True)
        | package("bitsandbytes", bitsandbytes.optim.Lion, betas=(0.9, 0.99)),
        None,
    ),
    "adan": ("", package("pytorch_optimizer foreach", pytorch_optimizer.Adan, foreach=True), None),
    "lamb": ("", package("pytorch_optimizer foreach", pytorch_optimizer.Lamb, betas=BETAS, foreach=True), None),
    "adamw_8bit": ("", package("bitsandbytes", bitsandbytes.optim.AdamW8bit, betas=BETAS), None),
    "adam_mini": (
        "",
        {
            "pytorch_optimizer": lambda model: pytorch_optimizer.AdamMini(
                model, lr=RATE, betas=BETAS, weight_decay=DECAY, num_embeds=WIDTH, num_heads=6
            )
        },
        None,
    ),
    "schedule_free_adamw": (
        "",
        {"schedulefree foreach": schedule_free}
        | package("pytorch_optimizer foreach", pytorch_optimizer.ScheduleFreeAdamW, betas=BETAS, foreach=True),
        None,
    ),
    "adafactor": (
        "{optim_args: {scale_parameter: false, relative_step: false}}",
        package(
            "transformers", transformers.optimization.Adafactor, scale_parameter=False, relative_step=False
        )
        | package("torch foreach", torch.optim.Adafactor, foreach=True),
        None,
    ),
    "muon": ("", {"torch + AdamW fused": torch_muon, "pytorch_optimizer": package_muon}, 2),
    "galore_adamw": ("{optim_args: {rank: 128}}", {"pytorch_optimizer": package_galore}, 5),
    "soap": (
        "{optim_args: {precondition_frequency: 10}}",
        package("pytorch_optimizer", pytorch_optimizer.SOAP, betas=BETAS, precondition_frequency=10),
        10,
    ),
    "shampoo": (
        "{optim_args: {block_size: 384, refresh_steps: 10, grafting: sgd}}",
        package(
            "pytorch_optimizer",
            pytorch_optimizer.ScalableShampoo,
            block_size=384,
            start_preconditioning_step=1,
            preconditioning_compute_steps=10,
        ),
        10,
    ),
}


def state_bytes(optimizer) -> int:
    """The tensors of the state, each storage once."""
    if isinstance(optimizer, Together):
        return sum(state_bytes(o) for o in optimizer.optimizers)
    storages = {}

    def visit(value) -> None:
        if torch.is_tensor(value):
            storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        elif isinstance(value, dict):
            for inner in value.values():
                visit(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                visit(inner)
        elif hasattr(value, "__dict__"):
            visit(vars(value))

    for parameter, state in optimizer.state.items():
        visit(state)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            storages.pop(parameter.untyped_storage().data_ptr(), None)
            storages.pop(parameter.grad.untyped_storage().data_ptr(), None)
    return sum(storages.values())


class Peer:
    """One form of an optimizer in this process, with parameters of its own."""

    def __init__(self, make):
        torch.manual_seed(1337)
        self.model = Model()
        self.optimizer = make(self.model)

    def round(self, count: int) -> dict:
        times = []
        process, busy = time.process_time(), time.thread_time()
        for _ in range(count):
            started = time.perf_counter()
            self.optimizer.step()
            times.append(1e3 * (time.perf_counter() - started))
        return {
            "step_ms": times,
            "cpu_ms": 1e3 * (time.thread_time() - busy) / count,
            "process_ms": 1e3 * (time.process_time() - process) / count,
        }


class Quern:
    """`quern bench optim --paced` in a process of its own."""

    def __init__(self, command: str, optim: str, settings: str, steps: int, threads: int):
        arguments = [f"optim={optim}", "--paced", "--steps", str(steps), "--threads", str(threads)]
        self.process = subprocess.Popen(
            [*shlex.split(command), "bench", "optim", *([settings] if settings else []), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.subject = self.read()

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"quern bench optim ended with {self.process.wait()}")
        return json.loads(line)

    def round(self, count: int) -> dict:
        process = processor_seconds(self.process.pid)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        taken = self.read()
        return taken | {"process_ms": 1e3 * (processor_seconds(self.process.pid) - process) / count}

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def processor_seconds(process: int) -> float:
    """The processor time of all threads of a process, those that ended too, by its own clock (Linux)."""
    return time.clock_gettime((~process << 3) | 2)


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(optim: str, quern_command: str, rounds: int, threads: int) -> dict:
    settings, makers, period = CASES[optim]
    peers = {name: Peer(make) for name, make in makers.items()}
    slowest = max(min(peer.round(3)["step_ms"]) for peer in peers.values())
    steps = period or int(min(20, max(3, 400 // slowest)))
    quern = Quern(quern_command, optim, settings, steps, threads)
    sides = {"quern": quern, **peers}
    seconds = 0.0
    for side in sides.values():
        side.round(steps)
        if period:
            started = time.perf_counter()
            side.round(steps)
            seconds += time.perf_counter() - started
    rounds = max(2, min(rounds, int(LONGEST / seconds))) if period else rounds
    # The compiler of the JVM has done its work after some hundred steps.
    for _ in range(0 if period else 5):
        quern.round(steps)
    summary = statistics.mean if period else statistics.median
    times: dict[str, dict[str, list[float]]] = {
        name: {"step_ms": [], "cpu_ms": [], "process_ms": []} for name in sides
    }
    for turn in range(rounds):
        for name in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            time.sleep(PAUSE)
            taken = sides[name].round(steps)
            times[name]["step_ms"].append(summary(taken["step_ms"]))
            times[name]["cpu_ms"].append(taken["cpu_ms"])
            times[name]["process_ms"].append(taken["process_ms"])
    subject = quern.subject
    quern.close()
    kept = {"quern": subject["state_bytes"], **{name: state_bytes(peer.optimizer) for name, peer in peers.items()}}
    # One thread's work is told by the processor's time, several threads' by the clock.
    clock = "cpu_ms" if threads == 1 else "step_ms"
    fastest = min(peers, key=lambda name: statistics.median(times[name][clock]))
    return {
        "optim": optim,
        "settings": settings,
        "parameters": subject["parameters"],
        "threads": threads,
        "rounds": rounds,
        "steps_a_round": steps,
        "summary": summary.__name__,
        "compared": clock,
        "sides": {
            name: {
                "step_ms": spread(taken["step_ms"]),
                "cpu_ms": spread(taken["cpu_ms"]),
                "process_ms": spread(taken["process_ms"]),
                "state_bytes": kept[name],
                "quern_over_this": spread(
                    [a / b for a, b in zip(times["quern"][clock], taken[clock], strict=True)]
                ),
                "process_over_this": spread(
                    [a / b for a, b in zip(times["quern"]["process_ms"], taken["process_ms"], strict=True)]
                ),
            }
            for name, taken in times.items()
        },
        "fastest_peer": fastest,
        "rounds_ms": times,
    }


def table(results: list[dict]) -> str:
    lines = [
        "| optimizer | peer | Quern ms | its ms | Quern CPU ms | its CPU ms | Quern / peer | processes | Quern state MB | its MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        ours = result["sides"]["quern"]
        for name, theirs in result["sides"].items():
            if name == "quern":
                continue
            ratio = theirs["quern_over_this"]
            bold = "**" if name == result["fastest_peer"] else ""
            lines.append(
                f"| {result['optim']} | {name} | {ours['step_ms']['median']:.1f} | {theirs['step_ms']['median']:.1f} "
                f"| {ours['cpu_ms']['median']:.1f} | {theirs['cpu_ms']['median']:.1f} "
                f"| {bold}{ratio['median']:.2f}{bold} ({ratio['min']:.2f} to {ratio['max']:.2f}) "
                f"| {theirs['process_over_this']['median']:.2f} "
                f"| {ours['state_bytes'] / 1e6:.1f} | {theirs['state_bytes'] / 1e6:.1f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quern", default="./quern", help="the command that runs Quern")
    parser.add_argument("--only", default=",".join(CASES), help="optimizers, separated by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="a folder for steps.json and steps.md")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    unknown = [optim for optim in chosen if optim not in CASES]
    if unknown or arguments.rounds < 1 or arguments.threads < 1:
        parser.error(f"unknown: {unknown}" if unknown else "--rounds and --threads take 1 or more")
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    packages = ["torch", "transformers", "pytorch_optimizer", "schedulefree", "bitsandbytes"]
    results = []
    for optim in chosen:
        results.append(measure(optim, arguments.quern, arguments.rounds, arguments.threads))
        results[-1]["load"] = os.getloadavg()[0]
        print("\n".join(table(results[-1:]).splitlines()[2:]), file=sys.stderr, flush=True)
        document = {
            "machine": platform.platform(),
            "packages": {name: version(name) for name in packages},
            "results": results,
        }
        (arguments.out / "steps.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        (arguments.out / "steps.md").write_text(table(results), encoding="utf-8")
    print(table(results), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
