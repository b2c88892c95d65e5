"""Runs a workload in Quern and in its Python peers, in turns, and writes a record folder.

    bench/compare 30m 124m llama60m --pairs 7 --out records/DATE-training-steps

Every engine of a workload starts as a process of its own, one after another, builds its model and warms up; then they take
a group of steps each in turns, --pairs times, the order turned around each time, so that a neighbour's load falls on all of
them. The engines that wait keep their memory and use no processor. A ratio is Quern's rate over a peer's in the same turn;
the table has medians and spreads. Each side's resident memory is its own process's peak.

The folder gets README.md (the table, the commands, the machine), machine.json, and for each workload NAME.jsonl with every
line that any engine printed and NAME.json with what was made of them.
"""

import argparse
import json
import os
import platform
import queue
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Long enough for the other side's threads to leave the cores.
PAUSE = 0.1
PACKAGES = ["torch", "transformers", "tokenizers", "accelerate", "numpy"]
# Losses of two engines with other initial weights, relative: bf16 against bf16, a few dozen steps of the stream.
LOSS_TOLERANCE = 0.03
UNITS = {"tokens_per_sec": "tokens/s", "counted_tokens_per_sec": "counted tokens/s"}
FLAGS = re.compile(r"^(avx|amx|f16c|fma|sse4)")


class Broken(Exception):
    """An engine that ended, said nothing for too long or printed no JSON; or engines that do not do the same work."""


@dataclass
class Options:
    """What the person chose for all workloads."""

    quern: str
    python: str
    threads: int
    precision: str
    group: int
    warmup: int
    ceiling: int
    parts: int
    data: Path
    work: Path

    def short(self, argument: str) -> str:
        """An argument without the folders of this machine."""
        names = {self.data: self.data.name, self.work: "OUT", HERE: "bench/python", HERE.parent: "bench"}
        for path, name in names.items():
            argument = argument.replace(str(path), name)
        return argument


@dataclass
class Engine:
    """A side of a comparison."""

    name: str
    command: list[str]

    def shown(self, options: Options) -> str:
        """The command without the folders of this machine."""
        return shlex.join(["quern" if self.name == "quern" else "python", *map(options.short, self.command[1:])])


@dataclass
class Workload:
    """Quern first, then its peers; `rate`: the number of a turn that is compared."""

    engines: Callable[[Options], list[Engine]]
    rate: str = "tokens_per_sec"
    prepare: Callable[[Options], None] = lambda options: None
    # Turns are groups of training steps, not calls.
    steps: bool = True


def quern(options: Options, *arguments: str) -> Engine:
    command = [options.quern, "bench", *arguments, "--paced", "--threads", str(options.threads)]
    command += ["--precision", options.precision, "--group", str(options.group), "--warmup", str(options.warmup)]
    return Engine("quern", [*command, "--ceiling", str(options.ceiling), "--parts", str(options.parts)])


def script(options: Options, name: str, file: str, *arguments: str) -> Engine:
    command = [options.python, str(HERE / file), *arguments, "--paced", "--threads", str(options.threads)]
    return Engine(name, [*command, "--precision", options.precision])


def step_time(options: Options, name: str, model: str, *arguments: str) -> Engine:
    settings = ["--model", model, "--group", str(options.group), "--warmup", str(options.warmup), *arguments]
    return script(options, name, "step_time.py", *settings)


def gpt(model: str):
    # Biases and the tanh form, as Hugging Face's GPT-2 and Quern's family gpt2 have them.
    shape = ("--bias", "--gelu", "tanh")
    return lambda o: [
        quern(o, model),
        step_time(o, "eager", model, *shape),
        step_time(o, "compile", model, *shape, "--compile"),
    ]


def llama(options: Options) -> list[Engine]:
    return [
        quern(options, "llama60m"),
        step_time(options, "hf-eager", "llama60m"),
        step_time(options, "hf-compile", "llama60m", "--compile"),
    ]


def tokenizer(options: Options) -> Path:
    return options.work / "tokenizer" / "tokenizer.json"


def train_tokenizer(options: Options) -> None:
    """Lets Quern train the tokenizer of the rows, which both sides use; the recipe makes the same one every time."""
    folder = tokenizer(options).parent
    command = [options.quern, "train", str(HERE.parent / "sft.yaml"), f"output_dir={folder}"]
    command += [f"data.path={options.data}", "max_steps=1", "save_steps=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"`{shlex.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    found = sorted(folder.rglob("tokenizer.json"))
    if not found:
        raise Broken(f"{folder}: the training left no tokenizer.json")
    text = found[0].read_text(encoding="utf-8")
    shutil.rmtree(folder)
    folder.mkdir()
    tokenizer(options).write_text(text, encoding="utf-8")


def order(options: Options) -> Path:
    return options.work / "tokenizer" / "order.json"


def prepare_rows(options: Options) -> None:
    """The tokenizer of both sides, and the rows' tokens in the order in which Quern's first epoch meets them."""
    train_tokenizer(options)
    command = [options.quern, "plan", str(HERE.parent / "sft.yaml"), f"data.path={options.data}", "--json", "--show-batch"]
    # One batch of all rows. Their order hangs on the seed alone, so the smallest of models serves.
    command += ["per_device_train_batch_size=1000000", "model.hidden_size=16", "model.num_hidden_layers=1"]
    command += ["model.num_attention_heads=2", "model.num_key_value_heads=2", "model.intermediate_size=16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"`{shlex.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    rows = json.loads(done.stdout)["batch"]
    order(options).write_text(json.dumps([[*row["input_ids"], row["target_ids"][-1]] for row in rows]), encoding="utf-8")


def instructions(options: Options) -> list[Engine]:
    shared = ["--data", str(options.data), "--tokenizer", str(tokenizer(options)), "--order", str(order(options))]
    shared += ["--group", str(options.group), "--warmup", str(max(1, options.warmup))]
    return [
        quern(options, str(HERE.parent / "sft.yaml"), f"data.path={options.data}"),
        script(options, "trainer-padded", "sft.py", *shared, "--rows", "padded"),
        script(options, "trainer-flat", "sft.py", *shared, "--rows", "flat"),
    ]


def generation(batch: int):
    def engines(options: Options) -> list[Engine]:
        calls = ["--batch", str(batch), "--warmup", str(options.warmup)]
        own = [options.quern, "bench", "generate", *calls, "--paced", "--threads", str(options.threads)]
        return [
            Engine("quern", [*own, "--precision", options.precision]),
            script(options, "hf-generate", "generate.py", *calls),
        ]

    return engines


WORKLOADS = {
    "char": Workload(gpt("char")),
    "30m": Workload(gpt("30m")),
    "124m": Workload(gpt("124m")),
    "llama60m": Workload(llama),
    "generate-1": Workload(generation(1), steps=False),
    "generate-8": Workload(generation(8), steps=False),
    "sft": Workload(instructions, "counted_tokens_per_sec", prepare_rows),
}


class Running:
    """An engine's process, asked for a group of steps by a line on its standard input."""

    def __init__(self, engine: Engine, timeout: float, log):
        self.engine = engine
        self.timeout = timeout
        self.log = log
        self.errors: list[str] = []
        self.lines: queue.Queue = queue.Queue()
        self.process = subprocess.Popen(
            engine.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for stream, sink in ((self.process.stdout, self.lines.put), (self.process.stderr, self.errors.append)):
            threading.Thread(target=self.pump, args=(stream, sink), daemon=True).start()
        self.subject = self.answer()

    def pump(self, stream, sink) -> None:
        for line in stream:
            sink(line)
        if stream is self.process.stdout:
            self.lines.put(None)

    def answer(self) -> dict:
        """The next JSON object it prints; other lines are passed over."""
        until = time.monotonic() + self.timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                self.process.kill()
                raise Broken(f"{self.engine.name}: no answer in {self.timeout:g} s") from None
            if line is None:
                code = self.process.wait()
                tail = "".join(self.errors)[-2000:].strip()
                raise Broken(f"{self.engine.name}: `{shlex.join(self.engine.command)}` ended with {code}: {tail}")
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict):
                self.log.write(json.dumps({"engine": self.engine.name, "answer": value}) + "\n")
                self.log.flush()
                return value

    def turn(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def peak_rss_mb(self) -> float:
        """The most that was resident so far; Quern's launcher becomes the process that trains."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE).group(1)) * 1024 / 1e6

    def end(self) -> dict:
        """What it prints at its end; nothing for engines whose turns are all they have to say."""
        self.process.stdin.close()
        try:
            result = self.answer()
        except Broken:
            if self.process.poll() != 0:
                raise
            return {}
        self.process.wait(timeout=60)
        return result

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def check_rows(running: list[Running]) -> None:
    """Both sides of a training on rows must have the same ones."""
    rows = {side.engine.name: side.subject["rows"] for side in running if side.subject.get("rows") is not None}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise Broken(f"the engines train on different rows: {found}")


def run(workload: Workload, options: Options, engines: list[Engine], pairs: int, timeout: float, log) -> dict:
    """The turns of one workload, and what they come to."""
    running: list[Running] = []
    turns: dict[str, list[dict]] = {engine.name: [] for engine in engines}
    try:
        for engine in engines:
            print(f"  {engine.name}: starting", file=sys.stderr, flush=True)
            running.append(Running(engine, timeout, log))
        check_rows(running)
        for pair in range(pairs):
            for side in running if pair % 2 == 0 else reversed(running):
                time.sleep(PAUSE)
                turns[side.engine.name].append(side.turn())
            rates = ", ".join(f"{name} {lines[-1][workload.rate]:.1f}" for name, lines in turns.items())
            print(f"  turn {pair + 1} of {pairs}: {rates} {workload.rate}", file=sys.stderr, flush=True)
        # Before what Quern measures afterwards, which is not part of the work.
        peaks = {side.engine.name: side.peak_rss_mb() for side in running}
        # The peers go first, so that Quern measures the ceiling on a machine of its own.
        results = {side.engine.name: side.end() for side in reversed(running)}
    except BaseException:
        for side in running:
            side.kill()
        raise
    return summarize(workload.rate, options, engines, turns, peaks, results)


def summarize(
    rate: str,
    options: Options,
    engines: list[Engine],
    turns: dict[str, list[dict]],
    peaks: dict[str, float],
    results: dict[str, dict],
) -> dict:
    summary: dict = {"rate": rate, "engines": {}, "ratios": {}}
    for engine in engines:
        lines, result = turns[engine.name], results[engine.name]
        summary["engines"][engine.name] = {
            "command": engine.shown(options),
            rate: spread([line[rate] for line in lines]),
            "peak_rss_mb": peaks[engine.name],
            "first_loss": result.get("first_loss"),
            "loss": lines[-1].get("loss"),
            "result": result,
        }
    own = engines[0].name
    mine = summary["engines"][own]
    for peer in engines[1:]:
        its = summary["engines"][peer.name]
        pairs = zip(turns[own], turns[peer.name], strict=True)
        ratio = {
            rate: spread([a[rate] / b[rate] for a, b in pairs]),
            "peak_rss": mine["peak_rss_mb"] / its["peak_rss_mb"],
        }
        if mine["loss"] is not None and its["loss"] is not None:
            ratio["loss_difference"] = mine["loss"] - its["loss"]
            ratio["losses_agree"] = abs(ratio["loss_difference"]) <= LOSS_TOLERANCE * abs(its["loss"])
        summary["ratios"][peer.name] = ratio
    return summary


def cpu() -> dict:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", text, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "cpu": model.group(1) if model else platform.processor(),
        "processors": os.cpu_count(),
        "flags": [flag for flag in (flags.group(1).split() if flags else []) if FLAGS.match(flag)],
        "memory_gb": round(int(memory.group(1)) * 1024 / 1e9, 1) if memory else None,
    }


def output_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError as error:
        return str(error)
    return (done.stdout + done.stderr).strip()


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine(options: Options) -> dict:
    root = HERE.parent.parent
    return {
        **cpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: installed(package) for package in PACKAGES},
        "quern_commit": output_of(["git", "-C", str(root), "rev-parse", "HEAD"]),
        "quern_changed": output_of(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"]) != "",
        "load": os.getloadavg(),
        "threads": options.threads,
        "precision": options.precision,
    }


def three(values: dict) -> str:
    return f"{values['median']:.2f} ({values['min']:.2f}-{values['max']:.2f})"


def memory(megabytes: float) -> str:
    return f"{megabytes / 1000:.2f} GB"


def table(summaries: dict[str, dict]) -> list[str]:
    lines = [
        "| workload | against | rate, Quern / peer | ratio: median (spread) | peak memory, Quern / peer | ratio |"
        " last loss, Quern / peer |",
        "|---|---|---|---|---|---|---|",
    ]
    for workload, summary in summaries.items():
        engines, rate = summary["engines"], summary["rate"]
        own = next(iter(engines.values()))
        for name, ratio in summary["ratios"].items():
            peer = engines[name]
            losses = "" if own["loss"] is None or peer["loss"] is None else f"{own['loss']:.4f} / {peer['loss']:.4f}"
            if ratio.get("losses_agree") is False:
                losses += " (do not agree)"
            lines.append(
                f"| {workload} | {name} | {own[rate]['median']:.1f} / {peer[rate]['median']:.1f} {UNITS[rate]}"
                f" | {three(ratio[rate])} | {memory(own['peak_rss_mb'])} / {memory(peer['peak_rss_mb'])}"
                f" | {ratio['peak_rss']:.2f} | {losses} |"
            )
    return lines


def ceilings(summaries: dict[str, dict]) -> list[str]:
    lines = []
    for workload, summary in summaries.items():
        result = next(iter(summary["engines"].values()))["result"]
        if result.get("ceiling"):
            lines.append(
                f"- {workload}: products of the step {result['ceiling']['gflops']:.1f} GFLOP/s; Quern's step"
                f" reaches {100 * result['share_of_ceiling']:.1f}% of it"
            )
        parts = result.get("parts")
        if parts:
            shares = sorted(parts["shares"].items(), key=lambda item: -item[1])
            lines.append("  - its time: " + ", ".join(f"{name} {100 * share:.1f}%" for name, share in shares))
    return lines


def chosen(arguments: argparse.Namespace) -> list[str]:
    """The arguments that make the same record again, without folders."""
    words = [*arguments.workloads, "--pairs", arguments.pairs, "--warmup", arguments.warmup]
    words += ["--precision", arguments.precision, "--threads", arguments.threads]
    if any(WORKLOADS[w].steps for w in arguments.workloads):
        words += ["--group", arguments.group, "--ceiling", arguments.ceiling, "--parts", arguments.parts]
    if arguments.peers is not None:
        words += ["--peers", arguments.peers]
    if "sft" in arguments.workloads:
        words += ["--data", arguments.data.name]
    return [str(word) for word in words]


def readme(summaries: dict[str, dict], facts: dict, arguments: argparse.Namespace) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items() if number)
    lines = [
        "# Training and generation beside the Python peers",
        "",
        f"Made by `bench/compare {' '.join(chosen(arguments))}`: {arguments.pairs} turns, in each a group of steps or a"
        " call from every engine; a ratio is Quern's rate over the peer's in the same turn. Memory is the peak of"
        " resident memory of each process.",
        "",
        *table(summaries),
        "",
        "## The ceiling at the time",
        "",
        *(ceilings(summaries) or ["Not measured."]),
        "",
        "## The machine",
        "",
        f"- {facts['cpu']}, {facts['processors']} processors, {facts['memory_gb']} GB;"
        f" {', '.join(facts['flags'])}",
        f"- {facts['system']}; Python {facts['python']}; {packages}",
        f"- {facts['threads']} threads, {facts['precision']}; load at the start"
        f" {', '.join(f'{n:.2f}' for n in facts['load'])}",
        f"- Quern at {facts['quern_commit']}{' with changes' if facts['quern_changed'] else ''}",
        "",
        "## Commands",
        "",
    ]
    for workload, summary in summaries.items():
        for name, engine in summary["engines"].items():
            lines.append(f"- {workload}, {name}: `{engine['command']}`")
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="+", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--quern", default="./quern", help="the launcher")
    parser.add_argument("--peers", help="only these peers, separated by commas")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--group", type=int, help="training steps an engine takes in a turn; 3 unless given")
    parser.add_argument("--warmup", type=int, default=5, help="steps of every engine before the first turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--ceiling", type=int, help="rounds of measuring the ceiling; 6 unless given, 0 for none")
    parser.add_argument("--parts", type=int, help="steps that Quern divides into parts at the end; 3 unless given")
    parser.add_argument("--data", type=Path, help="instruction rows, for sft; instructions.json unless given")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds that an answer may take")
    parser.add_argument("--out", type=Path, required=True, help="the record's folder; must not be there")
    arguments = parser.parse_args()
    unknown = [w for w in arguments.workloads if w not in WORKLOADS]
    if unknown:
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    if not any(WORKLOADS[w].steps for w in arguments.workloads):
        for name in ("group", "ceiling", "parts"):
            if getattr(arguments, name) is not None:
                parser.error(f"--{name} is for training steps; a turn of {', '.join(arguments.workloads)} is one call")
    if arguments.data is not None and "sft" not in arguments.workloads:
        parser.error(f"--data is for the workload sft, not for {', '.join(arguments.workloads)}")
    for name, usual in (("group", 3), ("ceiling", 6), ("parts", 3), ("data", Path("instructions.json"))):
        if getattr(arguments, name) is None:
            setattr(arguments, name, usual)
    if min(arguments.pairs, arguments.group, arguments.threads) < 1:
        parser.error("--pairs, --group and --threads must be at least 1")
    if min(arguments.warmup, arguments.ceiling, arguments.parts) < 0 or arguments.timeout <= 0:
        parser.error("--warmup, --ceiling and --parts must be at least 0, --timeout more than 0")
    if "sft" in arguments.workloads and not arguments.data.is_file():
        parser.error(f"--data {arguments.data}: no such file; the workload sft needs instruction rows in Alpaca's form")
    if arguments.out.exists():
        parser.error(f"{arguments.out} is there already")
    return arguments


def engines_of(arguments: argparse.Namespace, options: Options) -> dict[str, list[Engine]]:
    """The engines of each workload, Quern first, without the peers that are left out."""
    engines = {workload: WORKLOADS[workload].engines(options) for workload in arguments.workloads}
    if arguments.peers is None:
        return engines
    wanted = arguments.peers.split(",")
    there = {engine.name: None for all_of in engines.values() for engine in all_of[1:]}
    unknown = [peer for peer in wanted if peer not in there]
    if unknown:
        raise ValueError(f"--peers: no peer '{', '.join(unknown)}'; {', '.join(engines)} has {', '.join(there)}")
    return {w: [all_of[0], *(e for e in all_of[1:] if e.name in wanted)] for w, all_of in engines.items()}


def main() -> int:
    arguments = parse()
    options = Options(
        quern=arguments.quern,
        python=sys.executable,
        threads=arguments.threads,
        precision=arguments.precision,
        group=arguments.group,
        warmup=arguments.warmup,
        ceiling=arguments.ceiling,
        parts=arguments.parts,
        data=arguments.data.resolve(),
        work=arguments.out.resolve(),
    )
    try:
        engines = engines_of(arguments, options)
    except ValueError as failure:
        print(failure, file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True)
    facts = machine(options)
    (arguments.out / "machine.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    summaries: dict[str, dict] = {}
    for workload in arguments.workloads:
        print(workload, file=sys.stderr, flush=True)
        try:
            WORKLOADS[workload].prepare(options)
            with (arguments.out / f"{workload}.jsonl").open("w", encoding="utf-8") as log:
                summaries[workload] = run(
                    WORKLOADS[workload], options, engines[workload], arguments.pairs, arguments.timeout, log
                )
        except Broken as failure:
            print(f"{workload}: {failure}", file=sys.stderr)
            return 1
        (arguments.out / f"{workload}.json").write_text(
            json.dumps(summaries[workload], indent=1) + "\n", encoding="utf-8"
        )
        # After every workload, so that a later one's failure loses nothing.
        (arguments.out / "README.md").write_text(readme(summaries, facts, arguments), encoding="utf-8")
    print("\n".join(table(summaries)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
