"""Runs two commands in turns and compares what each prints.

    pairs.py --pairs 5 --out result.json --a "quern bench …" --b "python bench/python/step_time.py …"

A command's result is the last line of its standard output that is a JSON object. Pairs are interleaved and the side that
goes first alternates, so that a neighbour's load falls on both. For every number that both sides print the output has each
side's median, smallest and largest value, and the median, smallest and largest of a/b within a pair.
"""

import argparse
import json
import platform
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path


class CommandFailed(Exception):
    """A command that ended badly, took too long or printed no JSON object."""


def run(command: str, timeout: float) -> dict:
    """The command's result with `wall_seconds` of the whole process added."""
    started = time.perf_counter()
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"`{command}` took more than {timeout:g} s") from None
    except OSError as error:
        raise CommandFailed(f"`{command}` did not start: {error}") from None
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise CommandFailed(f"`{command}` exited with {done.returncode}: {done.stderr.strip()[-2000:]}")
    for line in reversed(done.stdout.splitlines()):
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(result, dict):
            return {**result, "wall_seconds": round(seconds, 3)}
    raise CommandFailed(f"`{command}` printed no JSON object")


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def compare(a: list[dict], b: list[dict]) -> dict:
    """Medians and ratios of the numbers present in every result of both sides."""
    keys = [key for key in a[0] if all(is_number(result.get(key)) for result in a + b)]
    compared = {}
    for key in keys:
        left, right = [r[key] for r in a], [r[key] for r in b]
        compared[key] = {"a": spread(left), "b": spread(right)}
        if all(right):
            compared[key]["a_over_b"] = spread([x / y for x, y in zip(left, right, strict=True)])
    return compared


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--a", required=True, help="the first side's command line")
    parser.add_argument("--b", required=True, help="the second side's command line")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds that one command may take")
    arguments = parser.parse_args()
    if arguments.pairs < 1:
        parser.error("--pairs must be at least 1")
    commands = {"a": arguments.a, "b": arguments.b}
    results: dict[str, list[dict]] = {"a": [], "b": []}
    for pair in range(arguments.pairs):
        for side in ("a", "b") if pair % 2 == 0 else ("b", "a"):
            try:
                results[side].append(run(commands[side], arguments.timeout))
            except CommandFailed as failure:
                print(f"pair {pair + 1}, side {side}: {failure}", file=sys.stderr)
                return 1
            print(f"pair {pair + 1} of {arguments.pairs}, {side}: {json.dumps(results[side][-1])}", file=sys.stderr)
    compared = compare(results["a"], results["b"])
    arguments.out.write_text(
        json.dumps(
            {
                "a": arguments.a,
                "b": arguments.b,
                "pairs": arguments.pairs,
                "machine": platform.platform(),
                "compared": compared,
                "runs": results,
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )
    for key, row in compared.items():
        ratio = row.get("a_over_b")
        tail = f"  a/b {ratio['median']:.3f} ({ratio['min']:.3f}-{ratio['max']:.3f})" if ratio else ""
        print(f"{key}: a {row['a']['median']:g}  b {row['b']['median']:g}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
